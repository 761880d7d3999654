"""What a real Airflow tells of the objects: asset events that start other DAGs, and OpenLineage's events."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.stack_support import EXAMPLE_DAGS, polly_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stack_support import PollyStack

DAG_ID = "lineage"
EXAMPLE = "example_polly_asset"
TEXT = "Nobody else hears this."
ENDS = {"deferred": "COMPLETE", "adopted": "COMPLETE", "failed": "FAIL", "unseen": "COMPLETE"} | {
    "gate": "COMPLETE",
    "looked_up": "COMPLETE",
}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("airflow.providers.openlineage")
    return tmp_path_factory.mktemp("openlineage") / "events.jsonl"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, events_file: Path) -> Iterator[PollyStack]:
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(EXAMPLE_DAGS / f"{EXAMPLE}.py", dags)
    shutil.copy(Path(__file__).with_name("dags_lineage") / "lineage.py", dags)
    transport = {"type": "file", "log_file_path": str(events_file), "append": True}
    env = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
    }
    with polly_stack(tmp_path_factory.mktemp("stack"), dags_folder=dags, env=env) as running:
        yield running


def test_audio_starts_the_dag_that_is_scheduled_on_it(stack: PollyStack) -> None:
    airflow = stack.airflow
    airflow.wait_for_dag(f"{EXAMPLE}_played")
    run_id = airflow.trigger(EXAMPLE)
    assert airflow.wait_for_run(EXAMPLE, run_id) == "success"
    spoken = airflow.xcoms(EXAMPLE, run_id, "speak")

    played_id = airflow.wait_for_started_run(f"{EXAMPLE}_played")

    assert airflow.wait_for_run(f"{EXAMPLE}_played", played_id) == "success"
    played = airflow.xcoms(f"{EXAMPLE}_played", played_id, "play")["return_value"]
    assert played == [f"{spoken['OutputS3Uri']}: {spoken['RequestCharacters']} characters"]


def test_openlineage_hears_of_each_object_that_a_task_saw_written(
    stack: PollyStack, events_file: Path
) -> None:
    airflow = stack.airflow
    run_id = airflow.trigger(DAG_ID)
    assert airflow.wait_for_run(DAG_ID, run_id, timeout=240) == "failed"
    pushed = {task_id: airflow.xcoms(DAG_ID, run_id, task_id) for task_id in ENDS if task_id != "failed"}

    told = final_events(events_file)

    assert {task_id: event["eventType"] for task_id, event in told.items()} == ENDS
    outputs = {
        task_id: [f"{output['namespace']}/{output['name']}" for output in event["outputs"]]
        for task_id, event in told.items()
    }
    assert outputs == {
        "deferred": [pushed["deferred"]["OutputS3Uri"]],
        "adopted": [pushed["adopted"]["OutputS3Uri"]],
        "gate": [pushed["unseen"]["OutputS3Uri"]],
        "failed": [],
        "unseen": [],
        "looked_up": [],
    }
    assert pushed["adopted"]["TaskId"] in airflow.task_log(DAG_ID, run_id, "adopted").partition("Adopting")[2]

    (output,) = told["deferred"]["outputs"]
    tags = {tag["key"]: tag["value"] for tag in output["facets"]["tags"]["tags"]}
    assert (tags["TaskId"], tags["VoiceId"]) == (pushed["deferred"]["TaskId"], "Amy")
    assert tags["RequestCharacters"] == str(len(TEXT))
    query = told["deferred"]["run"]["facets"]["externalQuery"]
    assert (query["externalQueryId"], query["source"]) == (pushed["deferred"]["TaskId"], "polly")
    assert TEXT not in events_file.read_text()


def final_events(file: Path) -> dict[str, dict[str, Any]]:
    """The event that ended each task, by its task id; listeners may be later than the tasks' states."""
    deadline = time.monotonic() + 60
    while True:
        events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        ends = {
            event["job"]["name"].removeprefix(f"{DAG_ID}."): event
            for event in events
            if event["eventType"] in ("COMPLETE", "FAIL") and event["job"]["name"].startswith(f"{DAG_ID}.")
        }
        if set(ends) >= set(ENDS) or time.monotonic() > deadline:
            return ends
        time.sleep(0.5)
