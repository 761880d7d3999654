"""The interface to the metadata of a running Airflow, the same for Airflow 2 and 3."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class TaskInstance:
    """One task of a DAG run. ``map_index`` is -1 if the task is not mapped. ``state`` is None at first."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int


class Metadata(Protocol):
    """Reads and writes the metadata database in the way that the Airflow version supports."""

    def heartbeat(self, kind: str, hostname: str | None = None) -> datetime | None:
        """Return the time of the last report from the newest process of a kind; None if it is not healthy.

        :param hostname: consider only processes that report this host name
        """

    def knows_dag(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed."""

    def import_errors(self) -> list[str]:
        """Return the stack traces of the DAG files that could not be imported."""

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run."""

    def trigger_all(self, run_ids: Mapping[str, str], confs: Mapping[str, Mapping[str, Any]]) -> None:
        """Start a run of each DAG.

        :param run_ids: run ids by DAG id
        :param confs: conf of each run, by DAG id
        """

    def run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of all runs of a DAG."""

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a DAG run: queued, running, success or failed."""

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a DAG run."""

    def xcoms(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Return every XCom of a task instance, by key."""

    def add_connections(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Store connections in the metadata database.

        :param connections: fields of each connection, by connection id: conn_type, host, login, password,
            extra (a mapping) and so on
        """
