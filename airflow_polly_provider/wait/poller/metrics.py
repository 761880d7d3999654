"""What the status poller tells Airflow's metrics.

====================================  =======  ======================================================
``polly.waits``                       gauge    waits that are registered, by connection
``polly.status_requests``             counter  requests, by operation and outcome
``polly.status_requests_per_second``  gauge    the rate now, below the set one while AWS throttles
``polly.detection_delay``             timer    at most how long a synthesis task had ended before it
                                               was noticed: since it was last known to go on
====================================  =======  ======================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from airflow.observability.stats import Stats
except ImportError:
    from airflow.stats import Stats  # type: ignore[assignment]  # the same, where it lived before 3.2

stats: Any = Stats


def waits(count: int, connection: str | None) -> None:
    """Tell how many waits there are.

    :param count: waits of one poller
    :param connection: the id of their connection
    """
    stats.gauge("polly.waits", count, tags={"connection": connection or "none"})


def request(operation: str, outcome: str, requests_per_second: float) -> None:
    """Tell of one request.

    :param operation: ``get`` or ``list``
    :param outcome: ``ok``, ``throttled`` or ``failed``
    :param requests_per_second: the rate after it
    """
    stats.incr("polly.status_requests", tags={"operation": operation, "outcome": outcome})
    stats.gauge("polly.status_requests_per_second", requests_per_second)


def detected(seconds: float) -> None:
    """Tell how late, at most, the end of a synthesis task was noticed.

    :param seconds: since it was last known to go on
    """
    stats.timing("polly.detection_delay", timedelta(seconds=seconds))
