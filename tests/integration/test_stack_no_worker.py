"""Waits without a worker, on a real triggerer (Airflow 3.3+)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import airflow
import pytest
from packaging.version import Version

from tests.integration.stack_support import polly_stack

if TYPE_CHECKING:
    from scripts.stack.metadata import TaskInstance

DAG_ID = "no_worker"
DAGS = Path(__file__).with_name("dags_no_worker")
STARTED_AND_ENDED = ("by_key", "by_dict")

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(300),
    pytest.mark.skipif(Version(airflow.__version__) < Version("3.3"), reason="needs Airflow 3.3"),
]


def test_waits_start_and_end_in_the_triggerer_and_hand_over_what_a_worker_would(tmp_path: Path) -> None:
    states: set[tuple[str, int, str | None]] = set()

    def note(task: TaskInstance) -> None:
        states.add((task.task_id, task.map_index, task.state))

    with polly_stack(tmp_path, dags_folder=DAGS) as stack:
        run_id = stack.airflow.trigger(DAG_ID)
        assert stack.airflow.wait_for_run(DAG_ID, run_id, timeout=240, on_change=note) == "success"
        xcoms = {
            task_id: stack.airflow.xcoms(DAG_ID, run_id, task_id)
            for task_id in ("one", *STARTED_AND_ENDED, "by_template", "ends_here", "use")
        }
        in_workers = {
            task_id: stack.airflow.task_log(DAG_ID, run_id, task_id, map_index)
            for task_id, map_index in (*((task_id, -1) for task_id in STARTED_AND_ENDED), ("mapped", 0))
        }
        seen_by_triggerer = stack.airflow.trigger_log(DAG_ID, run_id, "by_key")

    # A worker would have been queued for, and would have left a log.
    for task_id, log in in_workers.items():
        assert log == "", task_id
        assert not {state for name, _, state in states if name == task_id} & {"queued", "running"}
    assert f"Synthesis task {xcoms['one']['TaskId']} is completed" in seen_by_triggerer

    for task_id in (*STARTED_AND_ENDED, "by_template"):
        pushed = xcoms[task_id]
        assert pushed["TaskId"] == xcoms["one"]["TaskId"]
        assert pushed["RequestCharacters"] == len("Hello there.")
        assert pushed["return_value"]["TaskStatus"] == pushed["TaskStatus"] == "completed"
        assert pushed["OutputS3Uri"] == xcoms["one"]["OutputS3Uri"]

    assert xcoms["ends_here"]["return_value"]["TaskStatus"] == "completed"
    assert len(xcoms["ends_here"]["return_value"]["RequestDigest"]) == 64
    output_uri, characters, status, ended, mapped = xcoms["use"]["return_value"]
    assert (output_uri, characters, status) == (xcoms["one"]["OutputUri"], len("Hello there."), "completed")
    assert ended["TaskId"] == xcoms["ends_here"]["TaskId"]
    assert [task["RequestCharacters"] for task in mapped] == [len("One."), len("Two."), len("Three.")]
    # An error goes through the worker, where soft_fail holds.
    assert ("unknown", -1, "skipped") in states
