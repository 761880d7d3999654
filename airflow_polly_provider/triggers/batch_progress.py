"""Counts the synthesis tasks of a batch during its wait, and logs the counts."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.wait.poller.pending import TransientError

if TYPE_CHECKING:
    from typing import Any

    from airflow_polly_provider.wait.poller.pending import Update

LOG_EVERY_SECONDS = 60.0
"""The shortest time between two log lines about the same subject, except for the last line."""


class BatchProgress:
    """The counts of a batch's wait.

    :param log: the trigger's logger
    """

    def __init__(self, log: Any) -> None:
        self.total = 0
        self.completed = 0
        self.failed = 0
        self._log = log
        self._logged_at = -math.inf
        self._transient = _ErrorCount()
        self._final = _ErrorCount()

    @property
    def unknown(self) -> int:
        """The number of synthesis tasks that are not known to have ended."""
        return self.total - self.completed - self.failed

    def begin(self, total: int) -> None:
        """Start to count.

        :param total: the number of synthesis tasks
        """
        self.total = total
        self._log.info("Waiting for %d synthesis tasks of the batch", total)
        self._logged_at = time.monotonic()

    def note(self, synthesis_task_id: str, update: Update) -> None:
        """Count an update, and log the counts if the last log line is old enough.

        :param synthesis_task_id: Polly's ``TaskId``
        :param update: the update from the poller
        """
        if isinstance(update, TransientError):
            if self._transient.is_due_after(synthesis_task_id, update.error):
                self._log.warning(
                    "Cannot get the status of some synthesis tasks now; still waiting. There were %d such "
                    "errors since the last line about them. The last error is about %s: %s",
                    *self._transient.take(),
                )
        elif isinstance(update, PollyError):
            if self._final.is_due_after(synthesis_task_id, update):
                self._log_final()
        else:
            self.completed += update.get("TaskStatus") == TaskStatus.COMPLETED
            self.failed += update.get("TaskStatus") == TaskStatus.FAILED
            if time.monotonic() - self._logged_at >= LOG_EVERY_SECONDS:
                self.log_counts()

    def end(self) -> None:
        """Log the counts, and errors that were not logged yet."""
        if self._final.count:
            self._log_final()
        self.log_counts()

    def log_counts(self) -> None:
        """Log the counts."""
        self._log.info(
            "Of %d synthesis tasks, %d completed, %d failed, and %d are not known to have ended",
            self.total,
            self.completed,
            self.failed,
            self.unknown,
        )
        self._logged_at = time.monotonic()

    def _log_final(self) -> None:
        self._log.error(
            "The wait for %d synthesis tasks ended with an error; the others are still awaited. The last "
            "error is about %s: %s",
            *self._final.take(),
        )


class _ErrorCount:
    """The number of errors since the last log line, and the last error."""

    def __init__(self) -> None:
        self.count = 0
        self._last = ("", "")
        self._logged_at = -math.inf

    def is_due_after(self, synthesis_task_id: str, error: Exception) -> bool:
        """Count an error, and return whether the next log line is due."""
        self.count += 1
        self._last = (synthesis_task_id, str(error))
        return time.monotonic() - self._logged_at >= LOG_EVERY_SECONDS

    def take(self) -> tuple[int, str, str]:
        """Return the count, and the id and text of the last error. Start to count again."""
        count, self.count = self.count, 0
        self._logged_at = time.monotonic()
        return (count, *self._last)
