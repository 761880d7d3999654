"""The example whose mapped texts start one run of a second DAG, and the asset events of mapped tasks."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import DAG, Asset, task
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from tests.integration.dag_builder import new_dag, start_arguments
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_asset_pipeline"
CHAPTERS = ["The first chapter.", "The second chapter.", "The last chapter."]

pytestmark = pytest.mark.usefixtures("short_waits", "airflow_database")


def test_mapped_texts_start_one_run_of_the_second_dag_with_the_audio_in_their_order(
    emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.integration import asset_runs

    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", emulator.bucket)
    dags = dags_in(FOLDER / f"{NAME}.py")
    published = dags[f"{NAME}_published"]
    asset_runs.activate(*dags.values())

    run = run_dag(dags[NAME])
    asset_runs.scheduler_creates_runs()
    asset_runs.scheduler_creates_runs()

    assert run.state == "success", run.output
    spoken = [run.xcoms("speak", index) for index in range(len(CHAPTERS))]
    expected = {
        "chapters": [xcoms["OutputS3Uri"] for xcoms in spoken],
        "RequestCharacters": sum(map(len, CHAPTERS)),
    }
    assert asset_runs.created_runs(published.dag_id) == [[expected]]
    consumer = asset_runs.run_created_dag(published, run_dag)
    assert consumer.state == "success", consumer.output
    assert consumer.xcoms("publish")["return_value"] == [expected]


@pytest.fixture
def mapped(emulator: RunningEmulator) -> DAG:
    """A DAG whose mapped task has the asset in its outlets."""
    asset = Asset(f"s3://{emulator.bucket}/{uuid.uuid4().hex}")
    arguments: dict[str, Any] = start_arguments(emulator, task_id="speak", outlets=[asset])
    del arguments["text"]
    with new_dag("mapped", params={"count": len(CHAPTERS)}) as dag:

        @task
        def texts(params: Any = None) -> list[str]:
            return CHAPTERS[: params["count"]]

        PollyStartSpeechSynthesisTaskOperator.partial(**arguments).expand(text=texts())
    return dag


@pytest.fixture
def consumer(mapped: DAG) -> DAG:
    """A DAG that is scheduled on that asset."""
    from tests.integration import asset_runs

    (asset,) = mapped.get_task("speak").outlets
    dag = DAG(f"{mapped.dag_id}_consumer", schedule=[asset], start_date=datetime(2025, 1, 1, tzinfo=UTC))
    asset_runs.activate(mapped, dag)
    return dag


def test_each_mapped_instance_emits_an_event_and_events_that_wait_together_are_split_over_two_runs(
    mapped: DAG, consumer: DAG, run_dag: RunDag
) -> None:
    from tests.integration import asset_runs

    run = run_dag(mapped)
    asset_runs.scheduler_creates_runs()
    asset_runs.scheduler_creates_runs()

    assert run.state == "success", run.output
    first, second, third = events = asset_runs.events_of(mapped.dag_id)
    assert sorted(event["map_index"] for event in events) == [0, 1, 2]
    for event in events:
        xcoms = run.xcoms("speak", event["map_index"])
        assert event["extra"]["TaskId"] == xcoms["TaskId"]
        assert event["extra"]["OutputS3Uri"] == xcoms["OutputS3Uri"]
    assert asset_runs.created_runs(consumer.dag_id) == [[first["extra"]]]

    run_dag(mapped)
    asset_runs.scheduler_creates_runs()

    fourth = asset_runs.events_of(mapped.dag_id)[3]
    assert asset_runs.created_runs(consumer.dag_id) == [
        [first["extra"]],
        [second["extra"], third["extra"], fourth["extra"]],
    ]


def test_each_event_starts_a_run_if_the_scheduler_checks_after_each(
    mapped: DAG, consumer: DAG, run_dag: RunDag
) -> None:
    from tests.integration import asset_runs

    for _ in range(3):
        assert run_dag(mapped, conf={"count": 1}).state == "success"
        asset_runs.scheduler_creates_runs()

    events = asset_runs.events_of(mapped.dag_id)
    assert asset_runs.created_runs(consumer.dag_id) == [[event["extra"]] for event in events]
    assert len(events) == 3
