"""Clear one Airflow task of a run, as Airflow's UI does: python -P clear.py DAG RUN TASK."""

from __future__ import annotations

import sys
from typing import Any

from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session


def clear(dag_id: str, run_id: str, task_id: str) -> None:
    """Clear the task, even if it is running."""
    with create_session() as session:
        instances: Any = session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id, task_id=task_id)
        clear_task_instances(instances.all(), session)


if __name__ == "__main__":
    clear(*sys.argv[1:])
