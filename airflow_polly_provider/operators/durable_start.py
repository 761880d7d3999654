"""One synthesis task for one run of an Airflow task, whatever fails.

StartSpeechSynthesisTask has no client token. So the request carries ours in the output's key: when an answer
is lost, or a try died, the account's tasks are looked through for it before anything is started again.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.operators.patient_start import (
    MAY_HAVE_STARTED,
    start_when_taken,
    surely_not_taken,
)
from airflow_polly_provider.synthesis_task import TaskStatus, parse_output_uri
from airflow_polly_provider.waiting import look_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.operators.start_memory import StartMemory
    from airflow_polly_provider.operators.token_search import TokenSearch
    from airflow_polly_provider.synthesis_task import S3Location

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0
"""Pause between two looks for a synthesis task that lists may show late: a look is at least four requests."""
_LOOK_UP_PATIENCE_SECONDS = 15 * 60.0
_MOST_LOST_ANSWERS = 5


class DurableStart:
    """Starts the synthesis task of one request in one run, or adopts the one that was started before.

    :param hook: what to ask with
    :param request: StartSpeechSynthesisTask's parameters, the token in ``OutputS3KeyPrefix``
    :param memory: what earlier tries noted
    :param try_number: Airflow's, 1 for the first
    :param search: looks for the token among the account's synthesis tasks
    :param look_seconds: how long to look for a synthesis task that the service may show late
    :param object_exists: whether an S3 object is there; consulted before a completed task is adopted
    """

    def __init__(
        self,
        hook: PollyHook,
        request: Mapping[str, Any],
        *,
        memory: StartMemory,
        try_number: int,
        search: TokenSearch,
        look_seconds: float,
        object_exists: Callable[[S3Location], bool],
    ) -> None:
        self._hook = hook
        self._request = request
        self._memory = memory
        self._try_number = try_number
        self._search = search
        self._look_seconds = look_seconds
        self._object_exists = object_exists
        self.adopted = False
        """Whether :meth:`run` returned what an earlier try started."""

    def run(self) -> Mapping[str, Any]:
        """Return the run's synthesis task: an earlier try's, or a new one.

        :raises PollyInvalidRequestError: Polly refuses the request
        :raises PollyConfigurationError: an answer was lost and the account's tasks may not be listed
        """
        if (found := self._from_earlier_try()) is not None:
            self.adopted = True
            return found
        return self._started()

    def _from_earlier_try(self) -> Mapping[str, Any] | None:
        note = self._memory.recall()
        if note is not None and note.synthesis_task_id is not None:
            try:
                return self._adopted(
                    [look_up(self._hook, note.synthesis_task_id, patience=_LOOK_UP_PATIENCE_SECONDS)]
                )
            except PollySynthesisTaskNotFoundError:
                log.warning("Polly has forgotten synthesis task %s; starting afresh", note.synthesis_task_id)
                return None
        if note is not None:
            return self._look(until=note.asked_at + self._look_seconds)
        if self._try_number == 1:
            return None
        if self._memory.available:
            return self._look_once_if_allowed()
        # Each earlier try started one at most: when all are accounted for, no late one can turn up.
        return self._look(until=time.time() + self._look_seconds, enough=self._try_number - 1)

    def _look_once_if_allowed(self) -> Mapping[str, Any] | None:
        try:
            return self._look(until=time.time())
        except PollyConfigurationError as error:
            log.warning("Airflow's task state store knows of no start, so there is one now (%s)", error)
            return None

    def _look(self, *, until: float, enough: float = math.inf) -> Mapping[str, Any] | None:
        """Look for the run's synthesis task, at least once.

        :param until: seconds since the epoch; the service may show a task late
        :param enough: how many found, though none can be adopted, end the look before that
        """
        while True:
            found = self._search.find()
            if adopted := self._adopted(found):
                return adopted
            if time.time() >= until or len(found) >= enough:
                return None
            time.sleep(LOOK_EVERY_SECONDS)

    def _adopted(self, found: list[Any]) -> Mapping[str, Any] | None:
        for synthesis_task in found:
            task_id, status = synthesis_task.get("TaskId"), synthesis_task.get("TaskStatus")
            if status == TaskStatus.FAILED:
                log.info("Not adopting synthesis task %s: it failed", task_id)
                continue
            if status == TaskStatus.COMPLETED and not self._output_exists(synthesis_task):
                log.info("Not adopting synthesis task %s: its object is gone", task_id)
                continue
            log.info("Adopting synthesis task %s (%s), started before by this run", task_id, status)
            self._memory.note_started(task_id)
            adopted: Mapping[str, Any] = synthesis_task
            return adopted
        return None

    def _output_exists(self, synthesis_task: Mapping[str, Any]) -> bool:
        try:
            location = parse_output_uri(synthesis_task.get("OutputUri", ""))
        except ValueError as error:
            log.info("Cannot look for the object: %s", error)
            return True
        return self._object_exists(location)

    def _started(self) -> Mapping[str, Any]:
        lost = 0
        while True:
            try:
                started = start_when_taken(self._hook, self._request, before_each=self._memory.note_asking)
            except MAY_HAVE_STARTED as error:
                if surely_not_taken(error):
                    raise
                lost += 1
                if found := self._after_lost_answer(error):
                    return found
                if lost >= _MOST_LOST_ANSWERS:
                    raise
            else:
                self._memory.note_started(started["TaskId"])
                return started

    def _after_lost_answer(self, error: Exception) -> Mapping[str, Any] | None:
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
