"""Functions that run whole DAGs in this process, on any supported Airflow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from airflow import settings
from sqlalchemy import text

from airflow_polly_provider.emulator.dag_runs import write_to_database
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

    from airflow_polly_provider.compat import DAG

IDLE_PAUSE_SECONDS = 0.05
"""The pause of ``dag.test()`` while no task can run; its default is one second."""


def first_module_of(*names: str) -> Any:
    """Import the first of these modules that exists in this Airflow. Some modules move between versions."""
    for name in names[:-1]:
        with suppress(ImportError):
            return import_module(name)
    return import_module(names[-1])


def database_session() -> Session:
    """Open a session of Airflow's metadata database."""
    assert settings.Session is not None, "Airflow's ORM is not configured"
    session: Session = settings.Session()
    return session


@dataclass(frozen=True)
class FinishedRun:
    """The information about a finished DAG run that a user can see."""

    dag_id: str
    run_id: str
    state: str
    output: str
    """Everything that was printed and logged."""

    def _rows(self, columns: str, table: str, task_id: str, map_index: int) -> list[Any]:
        query = text(
            f"SELECT {columns} FROM {table} "
            "WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id AND map_index = :map_index"
        )
        with database_session() as session:
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
        """Return the state of a task instance and its number of tries."""
        ((state, tries),) = self._rows("state, try_number", "task_instance", task_id, map_index)
        return state, tries

    def is_stored(self, words: str, table: str) -> bool:
        """Return whether a row of this run in a table of Airflow's database contains these words."""
        query = text(f"SELECT * FROM {table} WHERE dag_id = :dag_id AND run_id = :run_id")
        with database_session() as session:
            rows = list(session.execute(query, {"dag_id": self.dag_id, "run_id": self.run_id}))
        assert rows, f"{table} has no row of this run"
        return any(words in str(row) for row in rows)

    def xcoms(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return every XCom of a task instance, except those that Airflow stores for links."""
        rows = self._rows("key, value", "xcom", task_id, map_index)
        return {
            key: json.loads(value) if isinstance(value, str | bytes) else value
            for key, value in rows
            if not key.startswith("_link_")
        }

    def links(self, task_id: str, map_index: int = -1) -> dict[str, str]:
        """Return the links that Airflow 3 stored for a task instance, by the names of their classes."""
        rows = self._rows("key, value", "xcom", task_id, map_index)
        return {
            key.removeprefix("_link_"): json.loads(value) if isinstance(value, str | bytes) else value
            for key, value in rows
            if key.startswith("_link_")
        }


EMULATOR_CONNECTION = {
    "AwsConnId": "aws_default",
    "RegionName": None,
    "Verify": None,
    "CustomEndpoint": True,
}
"""The XCom ``AwsConnection`` of a task that uses the emulator."""

RunDag = Callable[..., FinishedRun]
"""Type of the fixture ``run_dag``: runs a DAG with an optional ``conf``."""


def assert_pushes_synthesis_task(xcoms: Mapping[str, Any], *, status: str) -> dict[str, Any]:
    """Check the XComs of a task that pushes a synthesis task, and return its ``return_value``.

    :param xcoms: all XComs of the task
    :param status: expected TaskStatus
    """
    value: dict[str, Any] = xcoms["return_value"]
    # Before completion, there is no duration; without prices, there is no cost.
    keys = set(OWN_XCOM_KEYS) - ({"DurationSeconds", "EstimatedCost"} - value.keys())
    assert set(xcoms) == {*keys, "AwsConnection", "return_value"}
    assert {key: xcoms[key] for key in keys} == {key: value[key] for key in keys}
    assert value["TaskStatus"] == status
    return value


def run(
    dag: DAG,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    *,
    conf: dict[str, Any] | None = None,
) -> FinishedRun:
    """Run a whole DAG. Its deferred tasks also wait in this process."""
    write_to_database(dag)
    capfd.readouterr()
    caplog.clear()
    with short_idle_pauses():
        finished = dag.test(run_conf=conf)
    printed = capfd.readouterr()
    return FinishedRun(
        dag.dag_id, finished.run_id, str(finished.state), caplog.text + printed.out + printed.err
    )


@contextmanager
def short_idle_pauses() -> Iterator[None]:
    """Make ``dag.test()`` check often whether a task can run, for example a rescheduled one."""
    sleep = time.sleep

    def sleep_less(seconds: float) -> None:
        # Airflow's pause is the int 1; pauses of the provider are floats.
        sleep(IDLE_PAUSE_SECONDS if type(seconds) is int and seconds == 1 else seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep_less)
        yield
