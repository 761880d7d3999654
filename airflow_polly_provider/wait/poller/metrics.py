"""The metrics that the status poller sends to Airflow.

====================================  =======  ======================================================
``polly.waits``                       gauge    registered waits, by connection
``polly.status_requests``             counter  requests, by operation and outcome
``polly.status_requests_per_second``  gauge    current rate; lower than the configured rate while
                                               AWS throttles
``polly.detection_delay``             timer    longest possible time from the end of a synthesis
                                               task to its detection: the time since the synthesis
                                               task was last known to run
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
    :param requests_per_second: the rate after the request
    """
    stats.incr("polly.status_requests", tags={"operation": operation, "outcome": outcome})
    stats.gauge("polly.status_requests_per_second", requests_per_second)


def detected(seconds: float) -> None:
    """Report the longest possible time from the end of a synthesis task to its detection.

    :param seconds: the seconds since the synthesis task was last known to be running
    """
    stats.timing("polly.detection_delay", timedelta(seconds=seconds))
