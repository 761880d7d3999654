"""The metrics that the status poller sends to Airflow.

====================================  =======  ======================================================
``polly.waits``                       gauge    registered waits, by connection
``polly.status_requests``             counter  requests, by operation and outcome
``polly.status_requests_per_second``  gauge    current rate, below the configured one while AWS
                                               throttles
``polly.detection_delay``             timer    longest possible delay until the end of a synthesis
                                               task was noticed: time since it was last known to run
====================================  =======  ======================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

try:
    from airflow.observability.stats import Stats
except ImportError:
    from airflow.stats import Stats  # type: ignore[assignment]  # its location before 3.2

stats: Any = Stats


def waits(count: int, connection: str | None) -> None:
    """Report the number of waits.

    :param count: the number of waits of one poller
    :param connection: the id of their connection
    """
    stats.gauge("polly.waits", count, tags={"connection": connection or "none"})


def request(operation: str, outcome: str, requests_per_second: float) -> None:
    """Report one request.

    :param operation: ``get`` or ``list``
    :param outcome: ``ok``, ``throttled`` or ``failed``
    :param requests_per_second: the rate after it
    """
    stats.incr("polly.status_requests", tags={"operation": operation, "outcome": outcome})
    stats.gauge("polly.status_requests_per_second", requests_per_second)


def detected(seconds: float) -> None:
    """Report the longest possible delay until the end of a synthesis task was noticed.

    :param seconds: the seconds since the synthesis task was last known to run
    """
    stats.timing("polly.detection_delay", timedelta(seconds=seconds))
