"""What a caller may ask of a running Airflow, alike on Airflow 2 and 3."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class TaskInstance:
    """One task of a DAG run; ``map_index`` is -1 unless it is mapped, ``state`` None until scheduled."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int


class Metadata(Protocol):
    """Reads and writes of the metadata database, by whatever way suits the Airflow at hand."""

    def heartbeat(self, kind: str, hostname: str | None = None) -> datetime | None:
        """Tell when the newest process of this kind last reported; None if it is not healthy.

        :param hostname: look only at processes that report this host name.
        """

    def knows_dag(self, dag_id: str) -> bool:
        """Tell whether the DAG has been parsed."""

    def import_errors(self) -> list[str]:
        """List the stack traces of the DAG files that could not be imported."""

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run."""

    def trigger_all(self, run_ids: Mapping[str, str], confs: Mapping[str, Mapping[str, Any]]) -> None:
        """Start a run of each of several DAGs.

        :param run_ids: the run's id by the DAG's.
        :param confs: the run's conf by the DAG's id.
        """

    def run_ids(self, dag_id: str) -> list[str]:
        """List the ids of a DAG's runs, whoever started them."""

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Give the state of a DAG run: queued, running, success or failed."""

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """List the task instances of a DAG run."""

    def xcoms(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Give every XCom of a task instance by its key."""

    def add_connections(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Store connections in the metadata database.

        :param connections: the fields of each by its id: conn_type, host, login, password, extra (a mapping)
            and so on.
        """
