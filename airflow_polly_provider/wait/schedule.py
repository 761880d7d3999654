"""When a wait asks next.

One schedule for the deferred wait, the wait in a worker and the sensor's poke.
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
