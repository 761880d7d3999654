"""The reading of XComs from a real metadata database, with rows as workers write them."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.utils.session import create_session
from sqlalchemy import insert, select

from airflow_polly_provider.compat import DAG, BaseOperator
from airflow_polly_provider.ui import xcoms as module
from airflow_polly_provider.ui.tracks import tracks_of
from airflow_polly_provider.ui.xcoms import MAX_TASKS, TaskInstanceId, read_xcoms
from tests.integration.listen.server import listen_server
from tests.unit.ui.support import COMPLETED, CONNECTION, RESULT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dag_runs import RunDag

FAILED = {"AwsConnection": CONNECTION, "TaskStatus": "failed", "ErrorMessage": "Change the text."}
SPEAK = TaskInstanceId("speak", -1)
BIG = "x" * 100_000


class Push(BaseOperator):
    """Pushes XComs as an operator of any package does."""

    def __init__(self, values: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = values

    def execute(self, context: Any) -> Any:
        for key, value in self.values.items():
            if key != "return_value":
                context["ti"].xcom_push(key=key, value=value)
        return self.values.get("return_value")


@pytest.fixture(scope="module")
def dag() -> DAG:
    """Return a DAG with tasks of this package and of others."""
    with DAG("listen_xcoms", schedule=None) as dag:
        Push(task_id="speak", values=COMPLETED)
        Push(task_id="failed", values=FAILED)
        Push(
            task_id="other", values={"TaskId": "t1", "OutputS3Uri": "s3://b/k", "return_value": {"big": BIG}}
        )
        Push(task_id="unrelated", values={"return_value": 5})
        Push.partial(task_id="mapped").expand(values=[COMPLETED, FAILED])
    return dag


@pytest.fixture
def run_id(dag: DAG, run_dag: RunDag) -> str:
    """Run the DAG, and return the id of the run."""
    return run_dag(dag, {"text": BIG}).run_id


def test_the_xcoms_of_polly_s_tasks_are_read_and_no_others(
    dag: DAG, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, is_cut = read_xcoms(dag.dag_id, run_id)
    assert not is_cut
    assert {instance: xcoms.values for instance, xcoms in found.items()} == {
        SPEAK: COMPLETED,
        TaskInstanceId("failed", -1): FAILED,
        TaskInstanceId("mapped", 0): COMPLETED,
        TaskInstanceId("mapped", 1): FAILED,
    }
    for instance, xcoms in found.items():
        assert xcoms.first_pushed.tzinfo is not None
        assert read_xcoms(dag.dag_id, run_id, instance) == ({instance: xcoms}, False)
    for wrong in (("other", run_id, SPEAK), (dag.dag_id, "other", SPEAK), (dag.dag_id, run_id, ("speak", 0))):
        assert read_xcoms(wrong[0], wrong[1], TaskInstanceId(*wrong[2])) == ({}, False)
    assert read_xcoms(dag.dag_id, run_id, TaskInstanceId("other", -1)) == ({}, False)


def test_ids_are_compared_exactly(dag: DAG, run_id: str) -> None:
    for forged in ("%", "_____", "SPEAK", "speak'", "speak' OR '1'='1", "speak\0", "*", ""):
        assert read_xcoms(dag.dag_id, run_id, TaskInstanceId(forged, -1)) == ({}, False)
        assert read_xcoms(forged, run_id) == ({}, False)


class FilesXCom(BaseXCom):
    """A back-end that stores each value in a file, and the file's path in the database."""

    read: list[str] = []  # noqa: RUF012  # the class is the back-end

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        """Return the content of the file."""
        with open(result.value, encoding="utf-8") as file:
            FilesXCom.read.append(result.value)
            return json.load(file)


def test_a_custom_back_end_reads_the_values(
    dag: DAG, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that cannot be read is left out, and the values of other packages are not read at all."""
    with create_session() as session:
        for row in session.scalars(select(XComModel).where(XComModel.run_id == run_id)):
            file = tmp_path / f"{row.task_id}.{row.map_index}.{row.key}"
            file.write_text(json.dumps(row.value))
            row.value = str(file)
    (tmp_path / "failed.-1.ErrorMessage").unlink()
    monkeypatch.setattr(module, "XCom", FilesXCom)
    monkeypatch.setattr(FilesXCom, "read", [])
    found, _ = read_xcoms(dag.dag_id, run_id)
    assert found[SPEAK].values == COMPLETED
    assert found[TaskInstanceId("failed", -1)].values == {
        key: value for key, value in FAILED.items() if key != "ErrorMessage"
    }
    assert not any("unrelated" in path or "other.-1.return_value" in path for path in FilesXCom.read)


def test_the_class_that_a_forged_value_names_is_not_imported(dag: DAG, run_id: str) -> None:
    forged = {"__classname__": "airflow.models.variable.Variable", "__version__": 1, "__data__": {}}
    with create_session() as session:
        for row in session.scalars(
            select(XComModel).where(XComModel.run_id == run_id, XComModel.task_id == "speak")
        ):
            row.value = forged
    found, _ = read_xcoms(dag.dag_id, run_id, SPEAK)
    assert found[SPEAK].values["return_value"] == forged
    assert tracks_of(SPEAK, found[SPEAK].values, lambda *_: []) == []


def copy_rows_of_first_instance(session: Any, model: Any, run_id: str, map_indexes: range) -> None:
    table = model.__table__
    of_first = (table.c.run_id == run_id) & (table.c.task_id == "mapped") & (table.c.map_index == 0)
    for row in session.execute(select(table).where(of_first)).mappings().all():
        copies = [dict(row) | {"map_index": map_index} for map_index in map_indexes]
        if "id" in row:
            copies = [copy | {"id": uuid.uuid4()} for copy in copies]
        session.execute(insert(table), copies)


def test_five_thousand_mapped_tasks_are_listed_in_seconds(dag: DAG, run_id: str) -> None:
    """The run's conf is large, and must not be read again with each row."""
    with create_session() as session:
        assert session.scalar(select(DagRun.conf).where(DagRun.run_id == run_id)) == {"text": BIG}
        for model in (TaskInstance, XComModel):
            copy_rows_of_first_instance(session, model, run_id, range(2, MAX_TASKS + 10))
    began = time.monotonic()
    found, is_cut = read_xcoms(dag.dag_id, run_id)
    seconds = time.monotonic() - began
    assert is_cut
    assert len(found) == MAX_TASKS
    assert sum(xcoms.values == COMPLETED for xcoms in found.values()) > MAX_TASKS - 10
    began = time.monotonic()
    assert read_xcoms(dag.dag_id, run_id, TaskInstanceId("mapped", 4_000))[0]
    one = time.monotonic() - began
    assert seconds < 60
    assert one < 20


def test_the_server_lists_a_run_from_the_database(dag: DAG, run_id: str) -> None:
    with listen_server() as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as browser:
        answer = browser.get(f"/dags/{dag.dag_id}/run", params={"run_id": run_id})
        assert answer.status_code == 200
        found = answer.json()
        assert [each["status"] for each in found["tracks"]].count("failed") == 2
        assert RESULT["TaskId"] in {each["synthesis_task_id"] for each in found["tracks"]}
        nothing = browser.get(f"/dags/{dag.dag_id}/task", params={"run_id": run_id, "task_id": "unrelated"})
        assert nothing.json()["messages"][0].startswith("This task has no audio of Amazon Polly")
