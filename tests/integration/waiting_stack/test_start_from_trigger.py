"""Waits without a worker on a real triggerer (Airflow 3.3+)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import airflow
import pytest
from packaging.version import Version

if TYPE_CHECKING:
    from tests.integration.waiting_stack.world import World

DAG_ID = "start_from_trigger"
STARTED_AND_ENDED = ("by_key", "by_dict")

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(900),
    pytest.mark.skipif(Version(airflow.__version__) < Version("3.3"), reason="needs Airflow 3.3"),
]


def states_of(world: World, task_id: str, map_index: int = -1) -> set[str | None]:
    return {state for *where, state in world.seen if where == [task_id, map_index]}


def test_wait_that_starts_or_ends_in_the_triggerer_needs_no_worker(world: World) -> None:
    # A task on a worker would have been queued, and would have a log.
    for task_id, map_index in (*((task_id, -1) for task_id in STARTED_AND_ENDED), ("mapped", 0)):
        assert world.task_log(DAG_ID, task_id, map_index) == "", task_id
        assert not states_of(world, task_id, map_index) & {"queued", "running"}, task_id
    started = world.xcoms(DAG_ID, "one")["TaskId"]
    assert f"Synthesis task {started} is completed" in world.trigger_log(DAG_ID, "by_key")


@pytest.mark.parametrize("task_id", [*STARTED_AND_ENDED, "by_template"])
def test_wait_that_starts_in_the_triggerer_pushes_the_same_xcoms_as_a_worker(
    world: World, task_id: str
) -> None:
    started, pushed = world.xcoms(DAG_ID, "one"), world.xcoms(DAG_ID, task_id)

    assert pushed["TaskId"] == started["TaskId"]
    assert pushed["RequestCharacters"] == len("Hello there.")
    assert pushed["return_value"]["TaskStatus"] == pushed["TaskStatus"] == "completed"
    assert pushed["OutputS3Uri"] == started["OutputS3Uri"]
    assert pushed["DurationSeconds"] == pushed["return_value"]["DurationSeconds"] > 0
    # The wait that a worker ended has read the same object.
    assert pushed["DurationSeconds"] == world.xcoms(DAG_ID, "by_template")["DurationSeconds"]


@pytest.mark.parametrize("task_id", [*STARTED_AND_ENDED, "ends_here"])
def test_log_of_a_wait_that_ended_in_the_triggerer_has_the_duration(world: World, task_id: str) -> None:
    seconds = world.xcoms(DAG_ID, task_id)["DurationSeconds"]
    line = f"characters billed, {seconds:.1f} s of audio"
    assert world.trigger_log(DAG_ID, task_id).count(line) == 1


def test_later_task_gets_the_xcoms_of_waits_that_ended_in_the_triggerer(world: World) -> None:
    assert world.airflow.metadata.run_state(DAG_ID, world.run_ids[DAG_ID]) == "success"
    started, ends_here = world.xcoms(DAG_ID, "one"), world.xcoms(DAG_ID, "ends_here")["return_value"]

    assert ends_here["TaskStatus"] == "completed"
    assert len(ends_here["RequestDigest"]) == 64
    output_uri, characters, status, ended, mapped = world.xcoms(DAG_ID, "use")["return_value"]
    assert (output_uri, characters, status) == (started["OutputUri"], len("Hello there."), "completed")
    assert ended["TaskId"] == ends_here["TaskId"]
    assert [task["RequestCharacters"] for task in mapped] == [len("One."), len("Two."), len("Three.")]


@pytest.mark.parametrize("map_index", [0, 1])
def test_wait_in_a_mapped_task_group_waits_for_the_synthesis_task_of_its_own_group(
    world: World, map_index: int
) -> None:
    airflow, run_id = world.airflow, world.run_ids[DAG_ID]
    started = airflow.xcoms(DAG_ID, run_id, "group.start", map_index)
    waited = airflow.xcoms(DAG_ID, run_id, "group.wait", map_index)
    assert waited["TaskId"] == started["TaskId"]
    assert waited["TaskStatus"] == "completed"
    assert world.task_log(DAG_ID, "group.wait", map_index) == "", "a worker ran the task"


def test_xcoms_that_cannot_be_pushed_in_the_triggerer_are_pushed_by_a_worker(world: World) -> None:
    message = "so a worker will push them: the XCom back-end does not answer"
    assert message in world.trigger_log(DAG_ID, "push_fails")
    assert "success" in states_of(world, "push_fails")
    pushed = world.xcoms(DAG_ID, "push_fails")
    assert pushed["return_value"]["TaskStatus"] == pushed["TaskStatus"] == "completed"
    assert len(pushed["return_value"]["RequestDigest"]) == 64


def test_template_without_an_id_causes_the_same_error_in_the_triggerer_as_in_a_worker(world: World) -> None:
    assert "synthesis_task_id must be Polly's TaskId" in world.task_log(DAG_ID, "nothing")
    assert "skipped" in states_of(world, "nothing")


def test_execution_timeout_ends_a_wait_that_starts_in_the_triggerer(world: World) -> None:
    assert "skipped" in states_of(world, "expired")
    assert "Skipping the task because of this error: Airflow ended the deferral: " in world.task_log(
        DAG_ID, "expired"
    )


def test_error_of_a_wait_that_starts_in_the_triggerer_is_handled_by_a_worker(world: World) -> None:
    """``soft_fail`` is only applied in a worker."""
    assert "skipped" in states_of(world, "unknown")
