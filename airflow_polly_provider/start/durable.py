"""One synthesis task for one run of an Airflow task, whatever fails.

StartSpeechSynthesisTask has no client token. So the request carries ours in the output's key: when an answer
is lost, or a try died, the account's tasks are looked through for it before anything is started again.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyError,
    PollyIncompleteAnswerError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.settings import start_look_seconds
from airflow_polly_provider.start.current_run import current_run
from airflow_polly_provider.start.retry import (
    MAY_HAVE_STARTED,
    start_until_accepted,
    surely_not_accepted,
)
from airflow_polly_provider.start.task_search import TokenSearch
from airflow_polly_provider.wait.worker import LOOK_UP_PATIENCE_SECONDS, look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.start.attempt_store import AttemptStore

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0
"""Pause between two looks for a synthesis task that lists may show late: a look is at least four requests."""
_MOST_LOST_ANSWERS = 5


class Started(NamedTuple):
    """The synthesis task of one request in one run.

    :param synthesis_task: as Polly shows it now
    :param adopted: whether an earlier try started it
    """

    synthesis_task: Mapping[str, Any]
    adopted: bool


def start_once(
    hook: PollyHook,
    request: Mapping[str, Any],
    context: Context,
    attempts: AttemptStore,
    *,
    object_exists: Callable[[S3Location], bool],
) -> Started:
    """Start the synthesis task of a request, or adopt the one that an earlier try of this run started.

    :param hook: what to ask with
    :param request: StartSpeechSynthesisTask's parameters, the token in ``OutputS3KeyPrefix``
    :param context: the running task's context
    :param attempts: what earlier tries saved
    :param object_exists: whether an S3 object is there; consulted before a completed task is adopted
    :raises PollyInvalidRequestError: Polly refuses the request
    :raises PollyConfigurationError: an answer was lost and the account's tasks may not be listed
    """
    run = current_run(context)
    return DurableStart(
        hook,
        request,
        attempts=attempts,
        try_number=run.try_number,
        is_first_after_clear=run.is_first_after_clear,
        search=TokenSearch(hook, request["OutputS3BucketName"], not_before=run.earliest_start),
        look_seconds=start_look_seconds(),
        object_exists=object_exists,
    ).run()


class DurableStart:
    """Starts the synthesis task of one request in one run, or adopts the one that was started before.

    :param hook: what to ask with
    :param request: StartSpeechSynthesisTask's parameters, the token in ``OutputS3KeyPrefix``
    :param attempts: what earlier tries saved
    :param try_number: Airflow's, 1 for the first
    :param is_first_after_clear: whether no earlier try is one of this run, if the task's ``retries`` are what
        they were when it was cleared
    :param search: looks for the token among the account's synthesis tasks
    :param look_seconds: how long to look for a synthesis task that the service may show late
    :param object_exists: whether an S3 object is there; consulted before a completed task is adopted
    """

    def __init__(
        self,
        hook: PollyHook,
        request: Mapping[str, Any],
        *,
        attempts: AttemptStore,
        try_number: int,
        is_first_after_clear: bool,
        search: TokenSearch,
        look_seconds: float,
        object_exists: Callable[[S3Location], bool],
    ) -> None:
        self._hook = hook
        self._request = request
        self._attempts = attempts
        self._try_number = try_number
        self._is_first_after_clear = is_first_after_clear
        self._search = search
        self._look_seconds = look_seconds
        self._object_exists = object_exists
        self._may_list = False
        self._of_another_run: str | None = None

    def run(self) -> Started:
        """Return the run's synthesis task: an earlier try's, or a new one.

        :raises PollyInvalidRequestError: Polly refuses the request
        :raises PollyConfigurationError: an answer was lost and the account's tasks may not be listed
        """
        if (found := self._find_from_earlier_try()) is not None:
            self._adopt(found)
            return Started(found, adopted=True)
        return Started(self._start(), adopted=False)

    def _find_from_earlier_try(self) -> Mapping[str, Any] | None:
        attempt, is_known, only_unfinished, self._of_another_run = self._attempts.load()
        if attempt is not None and attempt.synthesis_task_id is not None:
            try:
                known = look_up(self._hook, attempt.synthesis_task_id, patience=LOOK_UP_PATIENCE_SECONDS)
            except PollySynthesisTaskNotFoundError:
                log.warning(
                    "Polly has forgotten synthesis task %s; starting another", attempt.synthesis_task_id
                )
                return None
            if only_unfinished and known.get("TaskStatus") == TaskStatus.COMPLETED:
                return None
            return self._first_adoptable([known])
        if attempt is not None:
            return self._look(until=attempt.asked_at + self._look_seconds, token=attempt.token)
        if self._try_number == 1:
            return None
        if is_known:
            return self._look_once_if_allowed()
        if self._is_first_after_clear:
            # Nothing is expected. One look covers a task whose retries were lowered before this retry.
            return self._look(until=time.time())
        # Each earlier try started one at most: when all are accounted for, no late one can turn up.
        return self._look(until=time.time() + self._look_seconds, enough=self._try_number - 1)

    def _look_once_if_allowed(self) -> Mapping[str, Any] | None:
        try:
            return self._look(until=time.time())
        except PollyConfigurationError as error:
            log.warning("Airflow's task state store knows of no start, so there is one now (%s)", error)
            return None

    def _look(
        self, *, until: float, enough: float = math.inf, token: str | None = None
    ) -> Mapping[str, Any] | None:
        """Look for the run's synthesis task, at least once.

        :param until: seconds since the epoch; the service may show a task late
        :param token: the token that it was started with, if not the one of this try
        :param enough: how many found, though none can be adopted, end the look before that
        """
        key_prefix = self._request["OutputS3KeyPrefix"]
        if token is not None:
            key_prefix = key_prefix.removesuffix(self._attempts.token) + token
        while True:
            found = self._search.find(key_prefix)
            if adoptable := self._first_adoptable(found):
                return adoptable
            if self._hook.may_lack_its_connection:
                # Another account's list may have been looked through.
                self._hook.renew()
            elif time.time() >= until or len(found) >= enough:
                return None
            time.sleep(LOOK_EVERY_SECONDS)

    def _first_adoptable(self, found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the first synthesis task whose output there is or will be."""
        for synthesis_task in found:
            task_id, status = synthesis_task.get("TaskId"), synthesis_task.get("TaskStatus")
            if task_id == self._of_another_run:
                continue
            if status == TaskStatus.FAILED:
                log.info("Not adopting synthesis task %s: it failed", task_id)
                continue
            if status == TaskStatus.COMPLETED and not self._output_exists(synthesis_task):
                log.info("Not adopting synthesis task %s: its object is gone", task_id)
                continue
            return synthesis_task
        return None

    def _adopt(self, synthesis_task: Mapping[str, Any]) -> None:
        task_id, status = synthesis_task["TaskId"], synthesis_task.get("TaskStatus")
        log.info("Adopting synthesis task %s (%s), started before by this run", task_id, status)
        self._attempts.save_started(task_id)

    def _output_exists(self, synthesis_task: Mapping[str, Any]) -> bool:
        try:
            location = parse_output_uri(synthesis_task.get("OutputUri", ""))
        except ValueError as error:
            log.info("Cannot look for the object: %s", error)
            return True
        return self._object_exists(location)

    def _start(self) -> Mapping[str, Any]:
        lost = 0
        while True:
            try:
                started = start_until_accepted(self._hook, self._request, before_each=self._leave_a_trace)
            except MAY_HAVE_STARTED as error:
                if surely_not_accepted(error):
                    raise
                lost += 1
                if found := self._find_after_lost_answer(error):
                    self._adopt(found)
                    return found
                if lost >= _MOST_LOST_ANSWERS:
                    raise
            else:
                self._attempts.save_started(started["TaskId"])
                return started

    def _leave_a_trace(self) -> None:
        """See to it that a later try finds the synthesis task that is about to be started.

        :raises PollyError: it could not; nothing was started
        """
        if self._attempts.save_request() or self._may_list:
            return
        try:
            self._search.find(self._request["OutputS3KeyPrefix"])
        except PollyConfigurationError as denied:
            raise PollyError(
                "Nothing was started: Airflow's task state store cannot be written just now, and without it "
                f"a retry could not find the synthesis task, and would pay for another: {denied}"
            ) from denied
        self._may_list = True

    def _find_after_lost_answer(self, error: Exception) -> Mapping[str, Any] | None:
        log.warning(
            "Polly's answer to the start was lost (%s); looking whether it was started before starting again",
            error,
        )
        try:
            return self._look(until=time.time() + self._look_seconds)
        except PollyConfigurationError as denied:
            raise PollyConfigurationError(
                f"Polly's answer to the start was lost ({error}), and whether a synthesis task was started "
                f"cannot be looked up: {denied} It was not started twice. Allow "
                "polly:ListSpeechSynthesisTasks and clear the task, or set durable=False to start "
                "again at the risk of paying twice."
            ) from error
        except PollyIncompleteAnswerError as unusable:
            raise PollyIncompleteAnswerError(
                f"Polly's answer to the start was lost ({error}), and the list that tells whether a "
                f"synthesis task was started cannot be read either: {unusable} A retry looks again before it "
                "starts. Correct endpoint_url in the connection, or the proxy."
            ) from error
