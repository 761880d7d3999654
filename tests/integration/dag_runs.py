"""Runs of whole DAGs in this process, on any Airflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow import settings
from sqlalchemy import text

if TYPE_CHECKING:
    import pytest
    from airflow.providers.common.compat.sdk import DAG

BUNDLE = "dags-folder"


@dataclass(frozen=True)
class FinishedRun:
    """What a user sees of a DAG run that ended."""

    dag_id: str
    run_id: str
    state: str
    output: str
    """All that was printed and logged."""

    def _rows(self, columns: str, table: str, task_id: str, map_index: int) -> list[Any]:
        query = text(
            f"SELECT {columns} FROM {table} "
            "WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id AND map_index = :map_index"
        )
        with settings.Session() as session:
            return list(
                session.execute(
                    query,
                    {
                        "dag_id": self.dag_id,
                        "run_id": self.run_id,
                        "task_id": task_id,
                        "map_index": map_index,
                    },
                )
            )

    def task(self, task_id: str, map_index: int = -1) -> tuple[str, int]:
        """State of a task instance, and how many tries it took."""
        ((state, tries),) = self._rows("state, try_number", "task_instance", task_id, map_index)
        return state, tries

    def holds(self, table: str, words: str) -> bool:
        """Whether Airflow's database keeps these words of this run in a table."""
        query = text(f"SELECT * FROM {table} WHERE dag_id = :dag_id AND run_id = :run_id")
        with settings.Session() as session:
            rows = list(session.execute(query, {"dag_id": self.dag_id, "run_id": self.run_id}))
        assert rows, f"{table} keeps nothing of this run"
        return any(words in str(row) for row in rows)

    def xcoms(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Every XCom of a task instance, besides those that Airflow keeps for links."""
        rows = self._rows("key, value", "xcom", task_id, map_index)
        return {
            key: json.loads(value) if isinstance(value, str | bytes) else value
            for key, value in rows
            if not key.startswith("_link_")
        }


def run(dag: DAG, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> FinishedRun:
    """Run a DAG to its end; deferred tasks wait in this process too."""
    _make_known(dag)
    capfd.readouterr()
    caplog.clear()
    finished = dag.test()
    printed = capfd.readouterr()
    return FinishedRun(
        dag.dag_id, finished.run_id, str(finished.state), caplog.text + printed.out + printed.err
    )


def _make_known(dag: DAG) -> None:
    """Write a DAG that is in no file to the database, from where Airflow 3 runs it."""
    try:
        from airflow.models.dagbundle import DagBundleModel
    except ImportError:
        return
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    with settings.Session() as session:
        session.merge(DagBundleModel(name=BUNDLE))
        session.flush()
        # With its assets, which Airflow refuses as inactive until a DAG file was seen to have them.
        SerializedDAG.bulk_write_to_db(BUNDLE, None, [dag], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG.from_dag(dag), bundle_name=BUNDLE, session=session)
        session.commit()
