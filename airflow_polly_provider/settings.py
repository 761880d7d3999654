"""What users set in Airflow's configuration, section ``[aws_polly]``."""

from __future__ import annotations

import logging
import math

from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_polly_provider.compat import conf

log = logging.getLogger(__name__)

SECTION = "aws_polly"


def token_namespace() -> str:
    """Return what tells this deployment's synthesis tasks from another's in the same AWS account."""
    namespace: str = conf.get(SECTION, "token_namespace", fallback="")
    return namespace


def start_look_seconds() -> float:
    """Return how long to look for a synthesis task whose start was not answered."""
    return _number("start_look_seconds", default=60.0, zero_allowed=True)


def status_requests_per_second() -> float:
    """Return how many status requests a second the waits of one process may send on one connection."""
    return _number("status_requests_per_second", default=5.0)


def _number(option: str, *, default: float, zero_allowed: bool = False) -> float:
    """Return an option that is a number above 0, or its default, and a warning, where it is none.

    The waits of all tasks of a process depend on it, so that a wrong value must not end them.
    """
    given = conf.get(SECTION, option, fallback=default)
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and (number > 0 or (zero_allowed and number == 0)):
        return number
    log.warning(
        "[%s] %s must be a number %s, not %r; %s is used instead.",
        SECTION,
        option,
        "of at least 0" if zero_allowed else "above 0",
        given,
        default,
    )
    return default


def supervisor_linger_seconds() -> float:
    """Return how long, on Airflow 3, a worker's supervisor may outlive the task that it supervised."""
    interval: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=0.0)
    return interval + 2.0 if interval else 0.0


def needs_airflow_3_3(parameter: str) -> None:
    """Refuse a parameter on an Airflow that cannot do what it asks for.

    :param parameter: its name
    :raises ValueError: on Airflow before 3.3
    """
    if Version(Version(airflow_version).base_version) < Version("3.3"):
        raise ValueError(f"{parameter}=True needs Airflow 3.3 or later; this is {airflow_version}.")


def default_deferrable() -> bool:
    """Return Airflow's own ``[operators] default_deferrable``."""
    deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False)
    return deferrable
