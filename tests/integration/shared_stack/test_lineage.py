"""Asset events that start other DAGs, and OpenLineage's events, on a real Airflow."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.shared_stack.runs import Runs

DAG_ID = "lineage"
EXAMPLE = "example_polly_asset"
TEXT = "Nobody else hears this."
ENDS = {"deferred": "COMPLETE", "adopted": "COMPLETE", "failed": "FAIL", "unseen": "COMPLETE"} | {
    "gate": "COMPLETE",
    "looked_up": "COMPLETE",
}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_audio_starts_the_dag_that_is_scheduled_on_it(runs: Runs) -> None:
    airflow, played = runs.airflow, f"{EXAMPLE}_played"
    runs.assert_success(EXAMPLE)
    spoken = runs.xcoms(EXAMPLE, "speak")

    played_id = airflow.wait_for_started_run(played)

    assert airflow.wait_for_run(played, played_id) == "success"
    heard = airflow.xcoms(played, played_id, "play")["return_value"]
    assert heard == [f"{spoken['OutputS3Uri']}: {spoken['RequestCharacters']} characters"]


@pytest.mark.skipif(find_spec("airflow.providers.openlineage") is None, reason="needs OpenLineage")
def test_openlineage_gets_each_object_that_a_task_saw_written(runs: Runs) -> None:
    assert runs.states[DAG_ID] == "failed"
    pushed = {task_id: runs.xcoms(DAG_ID, task_id) for task_id in ENDS if task_id != "failed"}

    told = final_events(runs.lineage_file)

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
    assert pushed["adopted"]["TaskId"] in runs.task_log(DAG_ID, "adopted").partition("Adopting")[2]

    (output,) = told["deferred"]["outputs"]
    tags = {tag["key"]: tag["value"] for tag in output["facets"]["tags"]["tags"]}
    assert (tags["TaskId"], tags["VoiceId"]) == (pushed["deferred"]["TaskId"], "Amy")
    assert tags["RequestCharacters"] == str(len(TEXT))
    query = told["deferred"]["run"]["facets"]["externalQuery"]
    assert (query["externalQueryId"], query["source"]) == (pushed["deferred"]["TaskId"], "polly")
    assert TEXT not in runs.lineage_file.read_text()


def final_events(file: Path) -> dict[str, dict[str, Any]]:
    """Return the event that ended each task, by task id. Events can arrive after the task's state changes."""
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
