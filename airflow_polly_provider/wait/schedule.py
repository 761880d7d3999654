"""The times at which a wait checks the status.

The deferred wait, the wait in a worker and the sensor's poke use the same schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from airflow_polly_provider.aws.task_status import SYNTHESIS_TASK_LIFETIME_SECONDS

DEFAULT_POKE_INTERVAL_SECONDS = 30.0

DEFAULT_TIMEOUT_SECONDS = float(SYNTHESIS_TASK_LIFETIME_SECONDS)

FIRST_CHECKS_EVERY_SECONDS = 2.0


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
    """The intervals between the status checks of a wait.

    Without ``exponential_backoff``, the interval is a quarter of the time waited so far, but at least 2
    seconds. A wait therefore notices the end of a synthesis task with a delay of at most 25 % of the
    synthesis task's duration, or of at most 2 seconds if that is longer. The longest interval is
    ``poke_interval``. With ``exponential_backoff``, the interval is ``poke_interval`` at first, and then
    doubles each time.

    :param poke_interval: the longest interval, or the first one with ``exponential_backoff``, in seconds
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
            # If the intervals double, each interval is as long as all earlier ones together.
            return min(max(self.poke_interval, waited), self.max_wait or math.inf)
        return min(self.poke_interval, max(FIRST_CHECKS_EVERY_SECONDS, waited / 4))
