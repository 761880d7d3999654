"""The DAG run that a try belongs to, and the number of the try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.aws.task_status import SYNTHESIS_TASK_LIFETIME_SECONDS

if TYPE_CHECKING:
    from airflow_polly_provider.compat import Context

_LIFETIME = timedelta(seconds=SYNTHESIS_TASK_LIFETIME_SECONDS)
CLOCK_MARGIN = timedelta(minutes=10)
"""The largest expected difference between the clocks of Airflow and AWS."""


class CurrentRun(NamedTuple):
    """A DAG run and the current try of its task.

    :param began: the start time of the DAG run, in ISO 8601; empty if Airflow does not know it. It
        distinguishes the run from an earlier one with the same id, because it changes if the run is deleted
        and created again, or cleared after its end
    :param earliest_start: the time before which no try of this run can have started a synthesis task
    :param try_number: Airflow's try number, 1 for the first try. If Airflow gives a retry the number of the
        first try, this value is 2
    :param is_first_after_clear: whether this is the first try after the task was cleared; not reliable if the
        task's ``retries`` were changed after the clear
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
    # When Airflow clears a task, it sets max_tries to the number of the last try plus the task's retries.
    first_try = ti.max_tries - (context["task"].retries or 0) + 1
    return CurrentRun(
        began="" if began is None else began.isoformat(),
        earliest_start=(began or datetime.now(tz=UTC) - _LIFETIME) - CLOCK_MARGIN,
        try_number=max(ti.try_number, 2) if _executed_before(ti) else ti.try_number,
        is_first_after_clear=1 < ti.try_number == first_try,
    )


def _executed_before(ti: Any) -> bool:
    """Return whether an earlier execution of this task instance pushed XComs, as a deferral does.

    Airflow 3.0.6 can execute a retry with the workload of the first try, whose ``try_number`` is 1. The
    scheduler fails a task that it has queued to be resumed (apache/airflow issues 71580 and 72716) and queues
    the retry under the same id. If the executor has not yet started the first workload, it then starts that
    old workload. Only the API server's list of XComs to remove shows that the task was executed before.
    """
    from_server = getattr(ti, "_ti_context_from_server", None)
    return bool(getattr(from_server, "xcom_keys_to_clear", None))
