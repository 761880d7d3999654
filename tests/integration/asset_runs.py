"""Asset events in this process, and the DAG runs that Airflow's scheduler creates for them."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.utils.sqlalchemy import prohibit_commit
from sqlalchemy import text

from airflow_polly_provider.emulator.dag_runs import write_to_database
from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.dag_runs import database_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.compat import DAG
    from tests.integration.dag_runs import FinishedRun, RunDag

ASSET, CONSUMED = (
    ("asset", "consumed_asset_events") if AIRFLOW_MAJOR > 2 else ("dataset", "consumed_dataset_events")
)


def activate(*dags: DAG) -> None:
    """Write DAGs to the database, so that assets can start runs of them.

    :param dags: the DAGs
    """
    for dag in dags:
        if AIRFLOW_MAJOR > 2:
            write_to_database(dag)
        else:
            dag.sync_to_db()  # type: ignore[attr-defined]  # Airflow 2
            from airflow.models.serialized_dag import SerializedDagModel

            SerializedDagModel.write_dag(dag)  # type: ignore[call-arg, arg-type]  # Airflow 2
    with database_session() as session:
        for dag in dags:
            session.execute(
                text("UPDATE dag SET is_paused = :no WHERE dag_id = :dag_id"),
                {"no": False, "dag_id": dag.dag_id},
            )
        session.commit()


def events_of(dag_id: str) -> list[dict[str, Any]]:
    """Return the map_index and the extra of each asset event that a DAG's tasks emitted.

    :param dag_id: the DAG's id
    """
    query = f"SELECT source_map_index, extra FROM {ASSET}_event WHERE source_dag_id = :dag_id ORDER BY id"
    with database_session() as session:
        rows = session.execute(text(query), {"dag_id": dag_id})
        return [{"map_index": row[0], "extra": json.loads(row[1])} for row in rows]


def scheduler_creates_runs() -> None:
    """Create the DAG runs that are due, as each loop of the scheduler does."""
    session = database_session()
    with prohibit_commit(session) as guard:
        SchedulerJobRunner(job=Job())._create_dagruns_for_dags(guard, session)
    session.close()


def created_runs(dag_id: str) -> list[list[dict[str, Any]]]:
    """Return the extras of the asset events for each run of a DAG that assets started.

    :param dag_id: the DAG's id
    """
    with database_session() as session:
        runs = session.query(DagRun).filter(DagRun.dag_id == dag_id).order_by(DagRun.id)
        return [
            [dict(event.extra) for event in getattr(run, CONSUMED)]
            for run in runs
            if "triggered__" in run.run_id
        ]


def run_created_dag(dag: DAG, run_dag: RunDag) -> FinishedRun:
    """Run a DAG with the asset events of its latest run, which the scheduler created.

    :param dag: the DAG
    :param run_dag: the value of the fixture with this name
    """
    places = (
        ("airflow.models.dagrun", "get_or_create_dagrun"),
        ("airflow.models.dag", "_get_or_create_dagrun"),
    )
    module, name = next(
        (found, name) for place, name in places if hasattr(found := import_module(place), name)
    )
    create: Callable[..., Any] = getattr(module, name)

    def create_with_events(**arguments: Any) -> Any:
        session = arguments["session"]
        runs = session.query(DagRun).filter(DagRun.dag_id == dag.dag_id).order_by(DagRun.id)
        events = [event for run in runs for event in getattr(run, CONSUMED)]
        created = create(**arguments)
        getattr(created, CONSUMED).extend(events)
        session.commit()
        return created

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, create_with_events)
        return run_dag(dag)
