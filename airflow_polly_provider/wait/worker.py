"""Blocking status requests and waits, for workers."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.exceptions import PollyFinalError
from airflow_polly_provider.wait.errors import (
    CHECK_ERRORS,
    CredentialsOutage,
    is_worth_a_new_look_up,
    timed_out,
    wait_goes_on,
)
from airflow_polly_provider.wait.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

LOOK_UP_PATIENCE_SECONDS = 15 * 60.0
"""How long a single look-up is retried after throttling, 5xx responses and network failures."""


def look_up(hook: PollyHook, synthesis_task_id: str, *, patience: float = 0.0) -> Mapping[str, Any]:
    """Return the SynthesisTask with this id. Retry if Polly does not return it yet.

    :param hook: the hook that sends the requests
    :param synthesis_task_id: Polly's ``TaskId``
    :param patience: how long to retry after throttling, 5xx responses and network failures, in seconds
    :raises PollySynthesisTaskNotFoundError: the id was unknown for 30 seconds
    """
    began = time.monotonic()
    schedule = Schedule()
    while True:
        try:
            return hook.get_speech_synthesis_task(synthesis_task_id)
        except CHECK_ERRORS as error:
            waited = time.monotonic() - began
            if is_worth_a_new_look_up(error):
                hook.renew()
            limit = math.inf if isinstance(error, PollyFinalError) else patience
            if not wait_goes_on(error, waited) or waited >= limit:
                raise
            log.info("Cannot get the status of synthesis task %s yet: %s", synthesis_task_id, error)
        time.sleep(schedule.next_check_in(waited))


def log_that_it_runs_on(synthesis_task_id: str, reason: str) -> None:
    """Log that a synthesis task keeps running after its wait ended, because Polly cannot cancel it.

    :param synthesis_task_id: Polly's ``TaskId``
    :param reason: the reason why the wait ended
    """
    log.warning(
        "Synthesis task %s keeps running and is billed: %s, and Polly cannot cancel it.",
        synthesis_task_id,
        reason,
    )


def wait_in_worker(
    hook: PollyHook,
    synthesis_task_id: str,
    *,
    schedule: Schedule,
    deadline: float,
    on_change: Callable[[Mapping[str, Any]], object] = lambda _: None,
) -> Mapping[str, Any]:
    """Block until a synthesis task completes or fails, and return it.

    :param hook: the hook that sends the requests
    :param synthesis_task_id: Polly's ``TaskId``
    :param schedule: the intervals between the status checks
    :param deadline: the end of the wait, in seconds since the epoch
    :param on_change: called with the SynthesisTask whenever its TaskStatus has changed
    :raises PollyWaitTimeoutError: the deadline passed
    """
    began = time.monotonic()
    outage = CredentialsOutage()
    last_status: str | None = None
    while True:
        try:
            synthesis_task = hook.get_speech_synthesis_task(synthesis_task_id)
        except CHECK_ERRORS as error:
            outage.note(error)
            if is_worth_a_new_look_up(error):
                hook.renew()
            if not wait_goes_on(error, time.monotonic() - began, outage.seconds):
                raise
            log.warning(
                "Cannot get the status of synthesis task %s now; still waiting: %s", synthesis_task_id, error
            )
        else:
            outage.note(None)
            status = synthesis_task.get("TaskStatus")
            if status != last_status:
                if status != TaskStatus.COMPLETED.value:  # the delivery logs it
                    log.info("Synthesis task %s is %s", synthesis_task_id, status)
                last_status = status
                on_change(synthesis_task)
            if status in TERMINAL_STATUSES:
                return synthesis_task
        remaining = deadline - time.time()
        if remaining <= 0:
            raise timed_out(synthesis_task_id, last_status)
        pause = outage.next_check_in(schedule.next_check_in(time.monotonic() - began))
        time.sleep(min(pause, remaining))
