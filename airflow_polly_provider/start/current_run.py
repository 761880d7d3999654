"""Which run of a DAG a try belongs to, and which try of its task it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.aws.task_status import SYNTHESIS_TASK_LIFETIME_SECONDS

if TYPE_CHECKING:
    from airflow_polly_provider.compat import Context

_LIFETIME = timedelta(seconds=SYNTHESIS_TASK_LIFETIME_SECONDS)
_CLOCK_MARGIN = timedelta(minutes=10)
"""How far the clocks of Airflow and AWS may be apart."""


class CurrentRun(NamedTuple):
    """What tells a DAG run from an earlier one of the same id, and its first try from later ones.

    :param began: when the DAG run began, in ISO 8601; another time after its deletion, or when it was cleared
        after its end; empty where Airflow does not say
    :param earliest_start: before it, no try of this run can have started a synthesis task
    :param try_number: Airflow's number of the try, 1 for the first; 2 for a retry that Airflow executes with
        the number of the first try
    :param is_first_after_clear: whether this is the first try after the task was cleared, if its ``retries``
        have not been changed since
    """

    began: str
    earliest_start: datetime
    try_number: int
    is_first_after_clear: bool = False


def current_run(context: Context) -> CurrentRun:
    """Return the run that a running task belongs to.

    :param context: the running task's context
    """
    began: datetime | None = context["dag_run"].start_date
    ti = context["ti"]
    # Airflow sets max_tries when it clears a task, to the number of its last try and its retries.
    first_try = ti.max_tries - (context["task"].retries or 0) + 1
    return CurrentRun(
        began="" if began is None else began.isoformat(),
        earliest_start=(began or datetime.now(tz=UTC) - _LIFETIME) - _CLOCK_MARGIN,
        try_number=max(ti.try_number, 2) if _executed_before(ti) else ti.try_number,
        is_first_after_clear=1 < ti.try_number == first_try,
    )


def _executed_before(ti: Any) -> bool:
    """Return whether an earlier execution of this task instance pushed XComs, as a deferral does.

    Airflow 3.0.6 can execute a retry with the workload of the first try, whose ``try_number`` is 1. The
    scheduler fails a task that it has queued to be resumed (apache/airflow issues 71580 and 72716) and queues
    the retry under the same id. If the executor has not yet started the first workload, it starts that now.
    Only the API server's list of XComs to remove shows that the task was executed before.
    """
    from_server = getattr(ti, "_ti_context_from_server", None)
    return bool(getattr(from_server, "xcom_keys_to_clear", None))
