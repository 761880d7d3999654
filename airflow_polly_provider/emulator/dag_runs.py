"""Functions that run whole DAGs in the test's process, on every Airflow version that this package supports.

On Airflow 3, ``dag.test()`` runs the DAG that is stored in the metadata database. So this database must exist
and contain the DAG. Airflow reads its configuration when it is imported, so call :func:`use_home` first.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow.sdk import DAG
    from sqlalchemy.orm import Session

_BUNDLE = "dags-folder"


@dataclass(frozen=True)
class DagTestRun:
    """A finished DAG run.

    :param dag_id: the DAG's id
    :param run_id: the id that Airflow gave the run
    :param state: the state of the run: ``success`` or ``failed``
    """

    dag_id: str
    run_id: str
    state: str

    def task_state(self, task_id: str, map_index: int = -1) -> str:
        """Return the state of a task instance, such as ``success`` or ``skipped``.

        :param task_id: the task's id
        :param map_index: the index of an instance of a mapped task; -1 for a task that is not mapped
        :raises LookupError: if the run has no such task instance
        """
        return str(self._value("state", "task_instance", {"task_id": task_id, "map_index": map_index}))

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return a value that a task pushed to XCom.

        :param task_id: the task's id
        :param key: the XCom key, such as ``OutputS3Uri``
        :param map_index: the index of an instance of a mapped task; -1 for a task that is not mapped
        :raises LookupError: if the task pushed nothing under this key
        """
        value = self._value("value", "xcom", {"task_id": task_id, "map_index": map_index, "key": key})
        return json.loads(value) if isinstance(value, str | bytes) else value

    def _value(self, column: str, table: str, where: Mapping[str, Any]) -> Any:
        from sqlalchemy import column as column_named
        from sqlalchemy import select
        from sqlalchemy import table as table_named

        conditions = {"dag_id": self.dag_id, "run_id": self.run_id, **where}
        query: Any = select(column_named(column)).select_from(table_named(table))
        for name, value in conditions.items():
            query = query.where(column_named(name) == value)
        with _session() as session:
            row = session.execute(query).first()
        if row is None:
            raise LookupError(f"Airflow's table {table} has no row with {conditions}")
        return row[0]


def use_home(folder: Path) -> None:
    """Make Airflow use a folder as its home, with a separate SQLite database.

    The settings of this machine's Airflow are not used: variables such as ``AIRFLOW__CORE__DAGS_FOLDER`` are
    removed from the environment.

    :param folder: the folder to use as Airflow's home
    :raises RuntimeError: if Airflow is already imported
    """
    if "airflow" in sys.modules:
        raise RuntimeError("Airflow is already imported and has read its configuration")
    for name in list(os.environ):
        if name.startswith("AIRFLOW__"):
            del os.environ[name]
    dags = folder / "dags"
    dags.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        AIRFLOW_HOME=str(folder),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{folder / 'airflow.db'}",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    )


def create_database() -> None:
    """Create Airflow's metadata database, as ``airflow db migrate`` does."""
    # Call a function, because this process has already imported Airflow. The command would take three
    # times as long.
    from airflow.utils.db import upgradedb

    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        with warnings.catch_warnings():
            # Airflow's migrations warn about Airflow's own tables.
            warnings.simplefilter("ignore")
            upgradedb()
    finally:
        # Airflow 2.11's migrations set the root logger's level to WARNING.
        root.setLevel(level)
        root.handlers[:] = handlers


def run_dag(dag: DAG, conf: dict[str, Any] | None = None) -> DagTestRun:
    """Run a DAG until it ends, in this process, including deferred tasks. Return the finished run.

    :param dag: the DAG
    :param conf: the run's conf, which overrides the DAG's params
    """
    write_to_database(dag)
    finished: Any = dag.test(run_conf=conf)
    return DagTestRun(dag.dag_id, finished.run_id, str(finished.state))


def write_to_database(dag: DAG) -> None:
    """Write a DAG to the metadata database, as the DAG processor does. Airflow 3 runs the stored DAG.

    :param dag: the DAG
    """
    try:
        from airflow.models.dagbundle import DagBundleModel
    except ImportError:  # Airflow 2 runs the DAG object and does not need this
        return
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    with _session() as session:
        session.merge(DagBundleModel(name=_BUNDLE))
        session.flush()
        # This also stores the DAG's assets. Airflow treats an asset as inactive until a stored DAG uses it.
        SerializedDAG.bulk_write_to_db(_BUNDLE, None, [dag], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG.from_dag(dag), bundle_name=_BUNDLE, session=session)
        session.commit()


def _session() -> Session:
    from airflow import settings

    assert settings.Session is not None, "Airflow's ORM is not configured"
    session: Session = settings.Session()
    return session
