"""Starts one synthesis task for one run of an Airflow task, even if responses are lost or tries die.

StartSpeechSynthesisTask has no client token, so the request contains this package's token in the output key.
If a response was lost or a try died, this package searches the account's synthesis tasks for the token before
it starts another one.
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
"""Pause between two searches for a synthesis task that may not be listed yet.

A search takes 4 requests or more.
"""
_MAX_LOST_ANSWERS = 5


class Started(NamedTuple):
    """The synthesis task of one request in one run.

    :param synthesis_task: the SynthesisTask as Polly returns it now
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

    :param hook: the hook that sends the requests
    :param request: StartSpeechSynthesisTask's parameters, with the token in ``OutputS3KeyPrefix``
    :param context: the running task's context
    :param attempts: the store of earlier tries' attempts
    :param object_exists: function that returns whether an S3 object exists; called before a completed
        synthesis task is adopted
    :raises PollyInvalidRequestError: Polly rejects the request
    :raises PollyConfigurationError: a response was lost, and the permission to list synthesis tasks is
        missing
    """
    run = current_run(context)
    return DurableStart(
        hook,
        request,
        attempts=attempts,
        try_number=run.try_number,
        is_first_after_clear=run.is_first_after_clear,
        search=TokenSearch(hook, not_before=run.earliest_start),
        look_seconds=start_look_seconds(),
        object_exists=object_exists,
    ).run()


class DurableStart:
    """Starts the synthesis task of one request in one run, or adopts the one that was started before.

    :param hook: the hook that sends the requests
    :param request: StartSpeechSynthesisTask's parameters, with the token in ``OutputS3KeyPrefix``
    :param attempts: the store of earlier tries' attempts
    :param try_number: Airflow's try number, 1 for the first try
    :param is_first_after_clear: whether this is the first try after a clear. If it is, no earlier try has
        this token. Not reliable if the task's ``retries`` were changed after the clear
    :param search: the search for the token among the account's synthesis tasks
    :param look_seconds: how long to search for a synthesis task that Polly may not list yet
    :param object_exists: function that returns whether an S3 object exists; called before a completed
        synthesis task is adopted
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
        """Return the run's synthesis task: the one that an earlier try started, or a new one.

        :raises PollyInvalidRequestError: Polly rejects the request
        :raises PollyConfigurationError: a response was lost, and the permission to list synthesis tasks is
            missing
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
                    "Polly no longer knows synthesis task %s; starting a new one", attempt.synthesis_task_id
                )
                return None
            if only_unfinished and known.get("TaskStatus") == TaskStatus.COMPLETED:
                return None
            return self._first_adoptable([known])
        if attempt is not None:
            return self._search_for_token(until=attempt.asked_at + self._look_seconds, token=attempt.token)
        if self._try_number == 1:
            return None
        if is_known:
            return self._search_once_if_allowed()
        if self._is_first_after_clear:
            # Normally, no synthesis task is found. One search is made in case the task's retries were lowered
            # before this retry.
            return self._search_for_token(until=time.time())
        # Each earlier try started at most one synthesis task. Once all are found, stop searching.
        return self._search_for_token(until=time.time() + self._look_seconds, enough=self._try_number - 1)

    def _search_once_if_allowed(self) -> Mapping[str, Any] | None:
        try:
            return self._search_for_token(until=time.time())
        except PollyConfigurationError as error:
            log.warning(
                "Airflow's task state store has no record of an earlier start, and the account's synthesis "
                "tasks cannot be listed. Starting a synthesis task (%s)",
                error,
            )
            return None

    def _search_for_token(
        self, *, until: float, enough: float = math.inf, token: str | None = None
    ) -> Mapping[str, Any] | None:
        """Search for the run's synthesis task, at least once.

        :param until: when to stop, in seconds since the epoch; Polly may not list a new synthesis task at
            once
        :param token: the token of the synthesis task, if it is not this try's token
        :param enough: stop the search as soon as this many synthesis tasks are found, even if none can be
            adopted
        """
        key_prefix = self._request["OutputS3KeyPrefix"]
        if token is not None:
            key_prefix = key_prefix.removesuffix(self._attempts.token) + token
        while True:
            found = self._search.find(self._request["OutputS3BucketName"], key_prefix)
            if adoptable := self._first_adoptable(found):
                return adoptable
            if self._hook.may_lack_its_connection:
                # The search may have used another account's credentials.
                self._hook.renew()
            elif time.time() >= until or len(found) >= enough:
                return None
            time.sleep(LOOK_EVERY_SECONDS)

    def _first_adoptable(self, found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Return the first synthesis task whose output exists or will exist."""
        for synthesis_task in found:
            task_id, status = synthesis_task.get("TaskId"), synthesis_task.get("TaskStatus")
            if task_id == self._of_another_run:
                continue
            if status == TaskStatus.FAILED:
                log.info("Not adopting synthesis task %s: it failed", task_id)
                continue
            if status == TaskStatus.COMPLETED and not self._output_exists(synthesis_task):
                log.info("Not adopting synthesis task %s: its object no longer exists", task_id)
                continue
            return synthesis_task
        return None

    def _adopt(self, synthesis_task: Mapping[str, Any]) -> None:
        task_id, status = synthesis_task["TaskId"], synthesis_task.get("TaskStatus")
        log.info("Adopting synthesis task %s (%s), started earlier in this run", task_id, status)
        self._attempts.save_started(task_id)

    def _output_exists(self, synthesis_task: Mapping[str, Any]) -> bool:
        try:
            location = parse_output_uri(synthesis_task.get("OutputUri", ""))
        except ValueError as error:
            log.info("Cannot check whether the object exists (%s); assuming that it does", error)
            return True
        return self._object_exists(location)

    def _start(self) -> Mapping[str, Any]:
        lost = 0
        while True:
            try:
                started = start_until_accepted(self._hook, self._request, before_each=self._ensure_findable)
            except MAY_HAVE_STARTED as error:
                if surely_not_accepted(error):
                    raise
                lost += 1
                if found := self._find_after_lost_answer(error):
                    self._adopt(found)
                    return found
                if lost >= _MAX_LOST_ANSWERS:
                    raise
            else:
                self._attempts.save_started(started["TaskId"])
                return started

    def _ensure_findable(self) -> None:
        """Make sure that a later try can find the synthesis task that is about to be started.

        :raises PollyError: a later try would not find the synthesis task, so nothing was started
        """
        if self._attempts.save_request() or self._may_list:
            return
        try:
            self._search.find(self._request["OutputS3BucketName"], self._request["OutputS3KeyPrefix"])
        except PollyConfigurationError as denied:
            raise PollyError(
                "No synthesis task was started: writing to Airflow's task state store failed, and the "
                "account's synthesis tasks cannot be listed. A retry could not find the synthesis task and "
                f"would pay for another: {denied}"
            ) from denied
        self._may_list = True

    def _find_after_lost_answer(self, error: Exception) -> Mapping[str, Any] | None:
        log.warning(
            "Polly's response to the start request was lost (%s). Searching for the synthesis task before "
            "starting again",
            error,
        )
        try:
            return self._search_for_token(until=time.time() + self._look_seconds)
        except PollyConfigurationError as denied:
            raise PollyConfigurationError(
                f"Polly's response to the start request was lost ({error}), and the account's synthesis "
                f"tasks cannot be listed to check whether one was started: {denied} The start request was "
                "not repeated. Allow polly:ListSpeechSynthesisTasks and clear the task, or set durable=False "
                "to start again at the risk of paying twice."
            ) from error
        except PollyIncompleteAnswerError as unusable:
            raise PollyIncompleteAnswerError(
                f"Polly's response to the start request was lost ({error}), and the list of the account's "
                f"synthesis tasks cannot be read either: {unusable} A retry searches the list again before "
                "it starts a synthesis task. Correct the connection's endpoint_url, or fix the proxy."
            ) from error
