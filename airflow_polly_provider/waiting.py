"""How a wait goes on: when to ask next, and which errors do not end it.

One set of rules for the deferred wait, the wait in a worker and the sensor's poke.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from airflow_polly_provider.exceptions import (
    PollyCredentialsError,
    PollyError,
    PollyIncompleteAnswerError,
    PollySynthesisTaskNotFoundError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.hooks.errors import is_service_failure, is_throttling
from airflow_polly_provider.synthesis_task import SYNTHESIS_TASK_LIFETIME_SECONDS, TERMINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

DEFAULT_POKE_INTERVAL_SECONDS = 30.0
DEFAULT_TIMEOUT_SECONDS = float(SYNTHESIS_TASK_LIFETIME_SECONDS)

FIRST_CHECKS_EVERY_SECONDS = 2.0
NOT_FOUND_GRACE_SECONDS = 30.0
"""How long an unknown id is taken for one that the service does not show yet."""

CHECK_ERRORS = (PollyError, ClientError, ConnectionError, HTTPClientError)
"""What asking for a status can raise; :func:`wait_goes_on` judges them."""

CREDENTIALS_GRACE_SECONDS = 15 * 60.0
"""How long a wait lasts without usable credentials; they are looked up again meanwhile."""


def seconds(duration: float | timedelta) -> float:
    """Return a duration in seconds.

    :param duration: seconds, or a timedelta
    """
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, int | float):
        return float(duration)
    raise ValueError(f"{duration!r} is neither a number of seconds nor a timedelta.")


@dataclass(frozen=True)
class Schedule:
    """When a wait asks next.

    Without ``exponential_backoff``: a young wait soon, an old one every ``poke_interval``; in between a
    quarter of the time waited so far, so that the end of a synthesis task is noticed within 25 % of its own
    duration. With it: ``poke_interval`` at first, then twice as long each time.

    :param poke_interval: seconds
    :param exponential_backoff: whether to double the interval each time
    :param max_wait: the longest interval with ``exponential_backoff``, in seconds
    """

    poke_interval: float = DEFAULT_POKE_INTERVAL_SECONDS
    exponential_backoff: bool = False
    max_wait: float | None = None

    def next_check_in(self, waited: float) -> float:
        """Return the seconds until the next check.

        :param waited: seconds since the wait began
        """
        if self.exponential_backoff:
            # Intervals that double have, each, the length of all those before it.
            return min(max(self.poke_interval, waited), self.max_wait or math.inf)
        return min(self.poke_interval, max(FIRST_CHECKS_EVERY_SECONDS, waited / 4))


class CredentialsOutage:
    """How long credentials have been refused, from the first refusal on and not from the last check before.

    A wait that seldom asks would else find its grace used up when it learns that credentials expired.
    """

    def __init__(self) -> None:
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """The seconds since the first refusal; 0 where credentials were usable at the last check."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def note(self, error: Exception | None) -> None:
        """Take note of a check.

        :param error: what it failed with; None where it went well
        """
        if isinstance(error, PollyCredentialsError):
            self._began = time.monotonic() if self._began is None else self._began
        elif error is None or isinstance(error, ClientError | PollyError):
            self._began = None

    def next_check_in(self, usual: float) -> float:
        """Return the seconds until the next check: soon while credentials are refused.

        :param usual: the seconds until then otherwise
        """
        return usual if self._began is None else min(usual, Schedule().next_check_in(self.seconds))


def wait_goes_on(error: Exception, waited: float, without_credentials: float = math.inf) -> bool:
    """Tell whether a wait goes on after a check that failed with ``error``.

    Throttling, 5xx answers, time-outs and a broken network say nothing about the synthesis task. An unknown
    id may be one that was started a moment ago; credentials may be renewed.

    :param error: what the hook raised
    :param waited: seconds since the wait began
    :param without_credentials: seconds since credentials were first refused
    """
    if isinstance(error, ClientError):
        return is_throttling(error) or is_service_failure(error)
    if isinstance(error, PollySynthesisTaskNotFoundError):
        return waited < NOT_FOUND_GRACE_SECONDS
    if isinstance(error, PollyCredentialsError):
        return without_credentials < CREDENTIALS_GRACE_SECONDS
    return isinstance(error, ConnectionError | HTTPClientError | PollyIncompleteAnswerError)


def timed_out(synthesis_task_id: str, last_status: str | None) -> PollyWaitTimeoutError:
    """Return the error of a wait whose deadline passed.

    :param synthesis_task_id: Polly's ``TaskId``
    :param last_status: the TaskStatus seen last, or None if none was seen
    """
    return PollyWaitTimeoutError(
        f"Synthesis task {synthesis_task_id} was {last_status or 'not seen at all'} when the timeout passed. "
        "It runs on and is billed, since Polly cannot cancel it: give a longer timeout, or look for it with "
        "the get operator.",
        synthesis_task_id=synthesis_task_id,
        task_status=last_status,
    )


def look_up(hook: PollyHook, synthesis_task_id: str, *, patience: float = 0.0) -> Mapping[str, Any]:
    """Return what Polly knows of a synthesis task, patient with one that it does not show yet.

    :param hook: what to ask with
    :param synthesis_task_id: Polly's ``TaskId``
    :param patience: how long to ask again after throttling, 5xx answers and a broken network, in seconds
    :raises PollySynthesisTaskNotFoundError: the id was unknown for 30 seconds
    """
    began = time.monotonic()
    schedule = Schedule()
    while True:
        try:
            return hook.get_speech_synthesis_task(synthesis_task_id)
        except CHECK_ERRORS as error:
            waited = time.monotonic() - began
            unknown = isinstance(error, PollySynthesisTaskNotFoundError)
            if not wait_goes_on(error, waited) or (not unknown and waited >= patience):
                raise
            log.info("Cannot see synthesis task %s yet: %s", synthesis_task_id, error)
        time.sleep(schedule.next_check_in(waited))


def wait_in_worker(
    hook: PollyHook, synthesis_task_id: str, *, schedule: Schedule, deadline: float
) -> Mapping[str, Any]:
    """Block until a synthesis task completed or failed, and return it.

    :param hook: what to ask with
    :param synthesis_task_id: Polly's ``TaskId``
    :param schedule: when to ask
    :param deadline: seconds since the epoch
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
            if isinstance(error, PollyCredentialsError):
                hook.renew()
            if not wait_goes_on(error, time.monotonic() - began, outage.seconds):
                raise
            log.warning("Cannot see synthesis task %s now; the wait goes on: %s", synthesis_task_id, error)
        else:
            outage.note(None)
            status = synthesis_task.get("TaskStatus")
            if status != last_status:
                log.info("Synthesis task %s is %s", synthesis_task_id, status)
                last_status = status
            if status in TERMINAL_STATUSES:
                return synthesis_task
        remaining = deadline - time.time()
        if remaining <= 0:
            raise timed_out(synthesis_task_id, last_status)
        pause = outage.next_check_in(schedule.next_check_in(time.monotonic() - began))
        time.sleep(min(pause, remaining))
