"""What users set in Airflow's configuration, section ``[aws_polly]``."""

from __future__ import annotations

from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_polly_provider.compat import conf

SECTION = "aws_polly"


def token_namespace() -> str:
    """Return what tells this deployment's synthesis tasks from another's in the same AWS account."""
    namespace: str = conf.get(SECTION, "token_namespace", fallback="")
    return namespace


def start_look_seconds() -> float:
    """Return how long to look for a synthesis task whose start was not answered."""
    seconds: float = conf.getfloat(SECTION, "start_look_seconds", fallback=60.0)
    return seconds


def status_requests_per_second() -> float:
    """Return how many status requests a second the waits of one process may send on one connection."""
    requests: float = conf.getfloat(SECTION, "status_requests_per_second", fallback=5.0)
    if requests <= 0:
        raise ValueError(f"[{SECTION}] status_requests_per_second must be above 0, not {requests}")
    return requests


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
