"""The deferred modes of the table of outcomes on a real triggerer, with two connections at the same time."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.waiting_stack.world import REASON, SECOND_REGION, SLOW

if TYPE_CHECKING:
    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance
    from tests.integration.waiting_stack.world import World

FAILED = {"TaskStatus": "failed", "TaskStatusReason": REASON}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def assert_logs_only_own_lines(world: World, dag_id: str, ids: dict[str, str]) -> None:
    """Check that each wait logs only the status of its own synthesis task."""
    for task_id, synthesis_task_id in ids.items():
        logged = set(re.findall(r"Synthesis task (\S+) is ", world.trigger_log(dag_id, task_id)))
        assert logged == {synthesis_task_id}, task_id


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, str]:
    """Return the ids of the synthesis tasks created outside the DAG, by Airflow task id."""
    return world.ids["each_end"]


@pytest.fixture(scope="module")
def ended(world: World, ids: dict[str, str]) -> dict[str, TaskInstance]:
    """Return the task instances after the synthesis tasks have ended."""
    airflow, run_id = world.airflow, world.run_ids["each_end"]
    never_end = {"sensor_unknown", "sensor_late", "sensor_expired"}
    that_end = {task_id: ids[task_id] for task_id in ids.keys() - never_end}
    world.wait_until_seen("each_end", that_end)
    for task_id in ("start_completed", "start_failed"):
        airflow.wait_for_task("each_end", run_id, task_id, "deferred", timeout=SLOW)
    for task_id in ("sensor_late", "sensor_expired"):
        airflow.wait_for_task("each_end", run_id, task_id, "failed", timeout=SLOW)
    world.emulators["first"].end_synthesis()
    world.emulators["second"].end_synthesis()
    airflow.wait_for_run("each_end", run_id, timeout=SLOW)
    return world.task_instances("each_end")


@pytest.mark.parametrize("task_id", ["start_completed", "get_completed", "sensor_completed"])
def test_wait_for_a_completed_synthesis_task_succeeds_and_pushes_it(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str], task_id: str
) -> None:
    assert ended[task_id].state == "success", world.task_log("each_end", task_id)
    pushed = world.xcoms("each_end", task_id)
    assert pushed["TaskStatus"] == "completed"
    assert pushed["TaskId"] == ids.get(task_id, pushed["TaskId"])
    assert pushed["OutputUri"].startswith("https://s3.us-east-1.amazonaws.com/")


@pytest.mark.parametrize(
    ("task_id", "words", "status"),
    [
        ("start_failed", ["PollySynthesisTaskFailedError", REASON], FAILED),
        ("get_failed", ["PollySynthesisTaskFailedFinalError", REASON], FAILED),
        ("sensor_failed", ["PollySynthesisTaskFailedFinalError", REASON], FAILED),
        ("sensor_unknown", ["PollySynthesisTaskNotFoundError", "in us-east-1", "'first' was found"], {}),
        (
            "sensor_late",
            ["AirflowSensorTimeout", "(last status: inProgress)"],
            {"TaskStatus": "inProgress"},
        ),
        pytest.param(
            "sensor_expired",
            ["PollyWaitTimeoutError", "timeout passed, or execution_timeout if it is shorter"],
            {"TaskStatus": "inProgress"},
            marks=pytest.mark.skipif(
                AIRFLOW_MAJOR < 3, reason="Airflow 2 ends the wait at the same time with its own error"
            ),
        ),
    ],
)
def test_failed_wait_names_the_reason_and_pushes_the_last_known_status(
    world: World,
    ended: dict[str, TaskInstance],
    ids: dict[str, str],
    task_id: str,
    words: list[str],
    status: dict[str, str],
) -> None:
    assert (ended[task_id].state, ended[task_id].try_number) == ("failed", 1)
    log = world.task_log("each_end", task_id)
    for word in words:
        assert word in log
    pushed = {
        key: value for key, value in world.xcoms("each_end", task_id).items() if not key.startswith("_link_")
    }
    assert pushed.pop("ErrorMessage")
    # ``ids`` does not contain the synthesis task of the start operator.
    assert pushed == {"TaskId": ids.get(task_id, pushed["TaskId"]), **status}


def test_execution_timeout_ends_a_deferred_wait(ended: dict[str, TaskInstance]) -> None:
    assert ended["sensor_expired"].state == "failed"


def test_throttled_wait_on_a_second_connection_succeeds_in_its_region(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    assert ended["sensor_throttled"].state == "success"
    pushed = world.xcoms("each_end", "sensor_throttled")
    assert pushed["TaskId"] == ids["sensor_throttled"]
    assert pushed["OutputUri"].startswith(f"https://s3.{SECOND_REGION}.amazonaws.com/")


def test_each_wait_logs_only_its_own_synthesis_task(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    seen = {task_id: ids[task_id] for task_id in ids if task_id != "sensor_unknown"}
    assert_logs_only_own_lines(world, "each_end", seen)


def test_waits_survive_a_killed_triggerer_and_one_marked_failed_names_the_running_synthesis_task(
    world: World, ended: dict[str, TaskInstance]
) -> None:
    airflow, first, second = world.airflow, world.emulators["first"], world.emulators["second"]
    ids = {"get": first.seed(), "sensor": second.seed(region=SECOND_REGION), "marked": first.seed()}
    run_id = airflow.trigger("outlive", ids)
    world.run_ids["outlive"] = run_id
    world.wait_until_seen("outlive", ids)
    airflow.wait_for_task("outlive", run_id, "start", "deferred", timeout=SLOW)
    assert world.xcoms("outlive", "start")["TaskId"], "the id must be in XCom while the task waits"

    if AIRFLOW_MAJOR >= 3:
        mark_failed(airflow, "outlive", run_id, "marked")
        world.wait_for_line("outlive", "marked", f"{ids['marked']} keeps running and is billed")
    airflow.kill("triggerer", signal.SIGKILL)
    assert airflow.components["triggerer"].members() == []
    airflow.start("triggerer")
    first.end_synthesis()
    second.end_synthesis()
    airflow.wait_for_run("outlive", run_id, timeout=SLOW)

    states = {task_id: task.state for task_id, task in world.task_instances("outlive").items()}
    marked = "failed" if AIRFLOW_MAJOR >= 3 else "success"
    assert states == {"start": "success", "get": "success", "sensor": "success", "marked": marked}
    for task_id in ("start", "get", "sensor"):
        assert world.xcoms("outlive", task_id)["TaskStatus"] == "completed"
    assert_logs_only_own_lines(world, "outlive", {task_id: ids[task_id] for task_id in ("get", "sensor")})


def mark_failed(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str) -> None:
    with httpx.Client(base_url=airflow.base_url, timeout=60, trust_env=False) as client:
        token = client.get("/auth/token").raise_for_status().json()["access_token"]
        client.patch(
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}",
            json={"new_state": "failed"},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()
