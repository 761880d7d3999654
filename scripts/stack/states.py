"""The states of runs and tasks, by SQL: the tables are the same in Airflow 2.11 and in all of Airflow 3.

A stack asks for them several times a second. Asked each time, the API server of Airflow 3 used more processor
time than all other components together.
"""

from typing import Any

import sqlalchemy

from scripts.stack.errors import StackError
from scripts.stack.metadata import TaskInstance


class RunStates:
    """A reader of the database of one stack.

    :param database_url: SQLAlchemy's URL of the metadata database.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.pool.NullPool)

    def run_ids(self, dag_id: str) -> list[str]:
        """List the ids of a DAG's runs, whoever started them."""
        return [
            row[0] for row in self._select("SELECT run_id FROM dag_run WHERE dag_id = :dag_id", dag_id=dag_id)
        ]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Give the state of a DAG run: queued, running, success or failed."""
        rows = self._select(
            "SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        if not rows:
            raise StackError(f"There is no run {run_id} of {dag_id}.")
        return str(rows[0][0])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """List the task instances of a DAG run."""
        rows = self._select(
            "SELECT task_id, map_index, state, try_number FROM task_instance "
            "WHERE dag_id = :dag_id AND run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        return [TaskInstance(*row) for row in rows]

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _select(self, statement: str, **values: object) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(statement), values))
