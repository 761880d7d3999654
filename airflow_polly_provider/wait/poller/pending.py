"""The state of one wait in its poller."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.wait.errors import CHECK_ERRORS, wait_goes_on
from airflow_polly_provider.wait.poller import metrics
from airflow_polly_provider.wait.schedule import Schedule

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from airflow_polly_provider.wait.errors import CredentialsOutage

log = logging.getLogger(__name__)

UNEXPECTED_GRACE_SECONDS = 60.0
"""How long a wait continues while every check fails with an error that this package does not know.

Such an error may be temporary, such as too many open files, or permanent, such as a wrong setting.
"""

_LOG_EVERY_SECONDS = 60.0

UNEXPECTED_AT_LEAST = 5
"""A wait ends only after at least this many such errors in a row, even if its checks are far apart."""


@dataclass(frozen=True)
class TransientError:
    """The error of a check that failed without ending the wait."""

    error: Exception


Update: TypeAlias = "Mapping[str, Any] | TransientError | PollyError"
"""A SynthesisTask whose status has changed, or the error of a check."""


def is_last(update: Update) -> bool:
    """Return whether a wait ends with this update."""
    if isinstance(update, TransientError):
        return False
    return isinstance(update, PollyError) or update.get("TaskStatus") in TERMINAL_STATUSES


class UnexpectedErrorLog:
    """Logs errors that this package does not know, but at most one in a minute: there may be many waits."""

    def __init__(self) -> None:
        self._logged_at = -math.inf
        self._not_logged = 0

    def note(self, synthesis_task_id: str, error: Exception, now: float) -> None:
        """Log an error, or count it.

        :param synthesis_task_id: Polly's ``TaskId``
        :param error: the error of the check
        :param now: seconds from a monotonic clock
        """
        if now - self._logged_at < _LOG_EVERY_SECONDS:
            self._not_logged += 1
            return
        earlier = f" ({self._not_logged} more were not logged)" if self._not_logged else ""
        log.warning("Unexpected error for synthesis task %s%s", synthesis_task_id, earlier, exc_info=error)
        self._logged_at, self._not_logged = now, 0


@dataclass(eq=False)
class Wait:
    """A wait that is registered with a poller. Its times are in seconds, from a monotonic clock.

    Several waits may share the queue of updates.
    """

    synthesis_task_id: str
    schedule: Schedule
    began: float
    due: float
    updates: asyncio.Queue[tuple[str, Update]]
    seen_at: float = -math.inf
    last_running_at: float = 0.0
    created: datetime | None = None
    last_status: str | None = None
    failing: bool = False
    unexpected: int = 0
    unexpected_since: float = 0.0
    over: bool = False

    def share_of_interval_gone(self, now: float) -> float:
        """Return the elapsed fraction of the interval before the next check: 1 if the check is due."""
        if self.due <= now:
            # A sensor with poke_interval=0 has an interval of 0 seconds, and a division by 0 would fail.
            return 1.0
        return max(0.0, 1 - (self.due - now) / self.schedule.next_check_in(now - self.began))

    def put_off(self, now: float) -> None:
        """Set the time of the next check according to the schedule."""
        self.due = now + self.schedule.next_check_in(now - self.began)

    def report(self, synthesis_task: Mapping[str, Any], now: float) -> None:
        """Record the synthesis task that Polly returned, and pass it on if its status has changed."""
        if self.over:
            return
        self.failing = False
        self.unexpected = 0
        self.seen_at = now
        self.created = synthesis_task.get("CreationTime")
        self.put_off(now)
        status = synthesis_task.get("TaskStatus")
        if status != self.last_status:
            self.last_status = status
            self.over = status in TERMINAL_STATUSES
            self._put(synthesis_task)
        if self.over:
            metrics.detected(now - self.last_running_at)
        self.last_running_at = now

    def report_error(self, error: Exception, now: float, outage: CredentialsOutage) -> bool:
        """Record a failed check. End the wait, or pass on the error if the check before did not fail.

        Return whether the error is the first of a row of errors that this package does not know.

        :param outage: how long credentials have been rejected
        """
        if self.over:
            return False
        goes_on = self._goes_on_after(error, now, outage.seconds)
        interval = outage.next_check_in(self.schedule.next_check_in(now - self.began))
        if self.unexpected:
            interval = min(interval, Schedule().next_check_in(now - self.unexpected_since))
        self.due = now + interval
        if not goes_on:
            self.end_with(error)
        elif not self.failing:
            self.failing = True
            self._put(TransientError(error))
        return self.unexpected == 1

    def end_with(self, error: BaseException) -> None:
        """End the wait with an error. An error that is not a PollyError is converted to one."""
        if not isinstance(error, PollyError):
            error = PollyError(f"Cannot ask Polly for the status: {type(error).__name__}: {error}")
        self.over = True
        self._put(error)

    def _put(self, update: Update) -> None:
        self.updates.put_nowait((self.synthesis_task_id, update))

    def _goes_on_after(self, error: Exception, now: float, without_credentials: float) -> bool:
        if isinstance(error, CHECK_ERRORS):
            self.unexpected = 0
            return wait_goes_on(error, now - self.began, without_credentials)
        if not self.unexpected:
            self.unexpected_since = now
        self.unexpected += 1
        in_grace = now - self.unexpected_since < UNEXPECTED_GRACE_SECONDS
        return in_grace or self.unexpected < UNEXPECTED_AT_LEAST
