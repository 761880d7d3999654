"""Reads the statuses of many synthesis tasks: from the account's lists, and with Get where that is cheaper.

A page of a list has up to 100 synthesis tasks, so a list replaces up to 100 Get requests. Synthesis tasks of
others can make the lists long. A list is therefore abandoned when Get requests would have been cheaper.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_polly_provider.aws.errors import is_throttling
from airflow_polly_provider.aws.task_list import only_older_follow
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyFinalError,
    PollyIncompleteAnswerError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.wait.errors import (
    CHECK_ERRORS,
    NOT_FOUND_GRACE_SECONDS,
    CredentialsOutage,
    is_worth_a_new_look_up,
    wait_goes_on,
)
from airflow_polly_provider.wait.poller.rate_limit import AdaptiveRate
from airflow_polly_provider.wait.schedule import Schedule
from airflow_polly_provider.wait.worker import LOOK_UP_PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

_STEP_SECONDS = 0.5

_FINISHED = (TaskStatus.COMPLETED, TaskStatus.FAILED)
_UNFINISHED = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)


class _StoppedError(Exception):
    """The reader was stopped while it read statuses."""


class StatusReader:
    """Reads the statuses of many synthesis tasks, at one rate.

    Its methods block. If one of them runs in a thread, :meth:`stop` ends it.

    :param hook: the hook that sends the requests
    :param not_before: a time before the first of these synthesis tasks was created
    :param requests_per_second: the highest rate
    :param renews: whether to look up the connection again if AWS rejects the credentials; otherwise the error
        is raised
    """

    def __init__(
        self, hook: PollyHook, *, not_before: datetime, requests_per_second: float, renews: bool = True
    ) -> None:
        self._hook = hook
        self._renews = renews
        self._not_before = not_before
        self._rate = AdaptiveRate(requests_per_second, clock=time.monotonic)
        self._outage = CredentialsOutage()
        self._may_list = True
        self._stopped = False

    def stop(self) -> None:
        """End the methods that are running in other threads; they raise an error at their next request."""
        self._stopped = True

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped:
            if (remaining := until - time.monotonic()) <= 0:
                return
            time.sleep(min(remaining, _STEP_SECONDS))
        raise _StoppedError

    def read(self, task_ids: Collection[str]) -> dict[str, Any]:
        """Return the current SynthesisTask of each id. Ids that Polly does not know are left out.

        An id that Polly does not know is requested again after 30 seconds, because a new id may be known only
        after a delay.

        :param task_ids: Polly's ``TaskId`` values
        :raises PollyError: Polly did not respond for 15 minutes, or Get is not allowed
        """
        began = time.monotonic()
        missing = dict.fromkeys(task_ids)
        # A synthesis task that ends after these lists were read is in none of the later ones. It needs a Get.
        found = self._list((*_FINISHED, *_UNFINISHED), missing, may_get=True)
        unknown = self._get(list(missing), found)
        if unknown:
            self._pause(began + NOT_FOUND_GRACE_SECONDS - time.monotonic())
            unknown = self._get(unknown, found)
            log.info("Polly does not know %d of %d synthesis tasks", len(unknown), len(task_ids))
        return found

    def read_finished(self, task_ids: Collection[str]) -> dict[str, Any]:
        """Return those synthesis tasks that are in the lists of completed and failed ones.

        The result may lack some that have ended: a list is abandoned if it is too long, and no list is read
        if it is not allowed.

        :param task_ids: Polly's ``TaskId`` values
        :raises PollyError: Polly did not respond for 15 minutes
        """
        return self._list(_FINISHED, dict.fromkeys(task_ids), may_get=False)

    def _list(
        self, statuses: Sequence[TaskStatus], missing: dict[str, None], *, may_get: bool
    ) -> dict[str, Any]:
        """Return the listed synthesis tasks, and remove their ids from ``missing``.

        :param may_get: whether Get requests are an alternative. Then no list is read for a few ids
        """
        found: dict[str, Any] = {}
        try:
            for place, status in enumerate(statuses):
                least = len(statuses) - place if may_get else 0
                if not self._may_list or len(missing) <= least:
                    break
                self._read(status, missing, found)
        except CHECK_ERRORS as error:
            if not _is_about_the_list(error):
                raise
            if isinstance(error, PollyConfigurationError):
                self._may_list = False
            log.warning("Cannot list synthesis tasks: %s", error)
        return found

    def _read(self, status: TaskStatus, missing: dict[str, None], found: dict[str, Any]) -> None:
        wasted = 0
        for page in self._pages(status):
            seen = {task["TaskId"]: task for task in page if task["TaskId"] in missing}
            found.update(seen)
            for task_id in seen:
                del missing[task_id]
            wasted += not seen
            # These pages contained no missing id. The same number of Get requests would have found all ids.
            if wasted >= len(missing):
                return

    def _pages(self, status: TaskStatus) -> Iterator[Sequence[Any]]:
        token: str | None = None
        while True:
            ask = partial(self._hook.list_speech_synthesis_tasks_page, status=status.value, next_token=token)
            # One record that cannot be read makes the whole page unreadable, each time.
            page = self._send(ask, repeats_unusable=False)
            tasks = page["SynthesisTasks"]
            yield tasks
            token = page.get("NextToken")
            if not token or (status in _FINISHED and only_older_follow(tasks, self._not_before)):
                return

    def _get(self, task_ids: Iterable[str], found: dict[str, Any]) -> list[str]:
        """Request each synthesis task, and return the ids that Polly does not know."""
        unknown = []
        for task_id in task_ids:
            try:
                found[task_id] = self._send(partial(self._hook.get_speech_synthesis_task, task_id))
            except PollySynthesisTaskNotFoundError:
                unknown.append(task_id)
        return unknown

    def _send(self, request: Callable[[], Any], *, repeats_unusable: bool = True) -> Any:
        """Send a request at the reader's rate. Repeat it after an error that may pass."""
        began = time.monotonic()
        schedule = Schedule()
        while True:
            self._pause(self._rate.reserve())
            try:
                answer = request()
            except CHECK_ERRORS as error:
                waited = time.monotonic() - began
                self._outage.note(error)
                if isinstance(error, ClientError) and is_throttling(error):
                    self._rate.throttled()
                renews = is_worth_a_new_look_up(error)
                if renews and not self._renews:
                    raise
                if renews:
                    self._hook.renew()
                is_final = not renews and (
                    isinstance(error, PollyFinalError)
                    or (isinstance(error, PollyIncompleteAnswerError) and not repeats_unusable)
                )
                goes_on = wait_goes_on(error, waited, self._outage.seconds)
                if is_final or not goes_on or waited >= LOOK_UP_PATIENCE_SECONDS:
                    raise
                log.info("Cannot read the statuses of synthesis tasks now: %s", error)
            else:
                self._outage.note(None)
                return answer
            self._pause(schedule.next_check_in(waited))


def _is_about_the_list(error: Exception) -> bool:
    """Return whether Get may work although a list could not be read."""
    if isinstance(error, ClientError):
        return not wait_goes_on(error, 0.0)
    return isinstance(error, PollyFinalError | PollyIncompleteAnswerError)
