"""The states of processes, runs and tasks, read with SQL from tables that Airflow 2.11 and 3 share.

A stack reads the states several times per second. In a measurement, reading the states through Airflow 3's
API server used more CPU time than all other components together.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy

from scripts.stack.errors import StackError
from scripts.stack.metadata import TaskInstance

_JOB_TYPES = {
    "scheduler": "SchedulerJob",
    "triggerer": "TriggererJob",
    "dag-processor": "DagProcessorJob",
}
_HEALTHY_FOR = timedelta(seconds=30)


class RunStates:
    """Reads states from the database of one stack.

    :param database_url: SQLAlchemy URL of the metadata database
    """

    def __init__(self, database_url: str) -> None:
        self._engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.pool.NullPool)

    def heartbeat(self, kind: str, hostname: str | None = None) -> datetime | None:
        """Return the time of the last report from the newest process of a kind; None if it is not healthy.

        :param hostname: consider only processes that report this host name
        """
        rows = self._select(
            "SELECT state, latest_heartbeat FROM job WHERE job_type = :type "
            "AND (:hostname IS NULL OR hostname = :hostname) ORDER BY latest_heartbeat DESC",
            type=_JOB_TYPES[kind],
            hostname=hostname,
        )
        if not rows or rows[0][0] != "running":
            return None
        beat = _as_utc(rows[0][1])
        return beat if datetime.now(UTC) - beat < _HEALTHY_FOR else None

    def run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of all runs of a DAG."""
        return [
            row[0] for row in self._select("SELECT run_id FROM dag_run WHERE dag_id = :dag_id", dag_id=dag_id)
        ]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a DAG run: queued, running, success or failed."""
        rows = self._select(
            "SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        if not rows:
            raise StackError(f"There is no run {run_id} of {dag_id}.")
        return str(rows[0][0])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a DAG run."""
        rows = self._select(
            "SELECT task_id, map_index, state, try_number FROM task_instance "
            "WHERE dag_id = :dag_id AND run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        return [TaskInstance(*row) for row in rows]

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def _select(self, statement: str, **values: object) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(statement), values))


def _as_utc(moment: str | datetime) -> datetime:
    # For SQL given as text, SQLAlchemy returns SQLite's times as strings without a time zone.
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
