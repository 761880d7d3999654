"""The deferred column of the table of modes on a real triggerer, by two connections at once."""

from __future__ import annotations

import json
import re
import signal
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from scripts.stack.emulator import aws_connection, running_emulator
from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.emulator_process import SYNTHESIS_SECONDS, Emulator
from tests.integration.stack_support import BUCKET, polly_stack, wait_for_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance

DAGS = Path(__file__).with_name("dags_modes")
REASON = "The output bucket is closed"
SECOND_REGION = "ap-southeast-2"
SLOW = 240.0

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class World:
    """A running Airflow between two emulators."""

    airflow: AirflowStack
    first: Emulator
    second: Emulator


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("modes")
    arguments = ("--audio", "none", "--in-progress-seconds", str(SYNTHESIS_SECONDS))
    with ExitStack() as stack:
        second_url = stack.enter_context(
            running_emulator(home / "second.log", "--bucket", BUCKET, "--region", SECOND_REGION, *arguments)
        )
        running = stack.enter_context(
            polly_stack(home / "airflow", dags_folder=DAGS, emulator_arguments=arguments)
        )
        for name, url in (("first", running.endpoint_url), ("second", second_url)):
            connection = json.loads(aws_connection(url))
            if name == "second":
                connection["extra"]["region_name"] = SECOND_REGION
            running.airflow.metadata.add_connection(name, connection)
        emulators = [Emulator(url) for url in (running.endpoint_url, second_url)]
        for emulator in emulators:
            stack.callback(emulator.close)
        yield World(running.airflow, *emulators)


def wait_until_seen(airflow: AirflowStack, dag_id: str, run_id: str, ids: dict[str, str]) -> None:
    """Wait until the triggerer has seen the synthesis tasks unfinished."""
    for task_id, synthesis_task_id in ids.items():
        airflow.wait_for_task(dag_id, run_id, task_id, "deferred", timeout=SLOW)
        wait_for_line(airflow, dag_id, run_id, task_id, f"Synthesis task {synthesis_task_id} is inProgress")


def assert_own_lines_alone(airflow: AirflowStack, dag_id: str, run_id: str, ids: dict[str, str]) -> None:
    """Each wait says what became of its own synthesis task, and of no other."""
    for task_id, synthesis_task_id in ids.items():
        told = set(re.findall(r"Synthesis task (\S+) is ", airflow.trigger_log(dag_id, run_id, task_id)))
        assert told == {synthesis_task_id}, task_id


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, str]:
    """The synthesis tasks that were started elsewhere, by the Airflow task that takes them."""
    first, second = world.first, world.second
    return {
        "get_completed": first.seed(),
        "sensor_completed": first.seed(),
        "get_failed": first.seed(ends_as="failed", reason=REASON),
        "sensor_failed": first.seed(ends_as="failed", reason=REASON),
        "sensor_unknown": str(uuid.uuid4()),
        "sensor_late": first.seed(),
        "sensor_throttled": second.seed(region=SECOND_REGION),
    }


def ids_that_end(ids: dict[str, str]) -> dict[str, str]:
    return {task_id: ids[task_id] for task_id in ids.keys() - {"sensor_unknown", "sensor_late"}}


@pytest.fixture(scope="module")
def run_id(world: World, ids: dict[str, str]) -> str:
    airflow = world.airflow
    world.second.ask("faults", operation="StartSpeechSynthesisTask", fail_task=REASON)
    world.second.ask("faults", operation="GetSpeechSynthesisTask", error="ThrottlingException", times=4)
    run_id = airflow.trigger("each_end", ids)
    wait_until_seen(airflow, "each_end", run_id, ids_that_end(ids))
    for task_id in ("start_completed", "start_failed"):
        airflow.wait_for_task("each_end", run_id, task_id, "deferred", timeout=SLOW)
    airflow.wait_for_task("each_end", run_id, "sensor_late", "failed", timeout=SLOW)
    world.first.end_synthesis()
    world.second.end_synthesis()
    airflow.wait_for_run("each_end", run_id, timeout=SLOW)
    return run_id


@pytest.fixture(scope="module")
def ended(world: World, run_id: str) -> dict[str, TaskInstance]:
    return {task.task_id: task for task in world.airflow.metadata.task_instances("each_end", run_id)}


@pytest.mark.parametrize("task_id", ["start_completed", "get_completed", "sensor_completed"])
def test_completed(
    world: World, run_id: str, ended: dict[str, TaskInstance], ids: dict[str, str], task_id: str
) -> None:
    assert ended[task_id].state == "success", world.airflow.task_log("each_end", run_id, task_id)
    pushed = world.airflow.xcoms("each_end", run_id, task_id)
    assert pushed["TaskStatus"] == "completed"
    assert pushed["TaskId"] == ids.get(task_id, pushed["TaskId"])
    assert pushed["OutputUri"].startswith("https://s3.us-east-1.amazonaws.com/")


@pytest.mark.parametrize(
    ("task_id", "words"),
    [
        ("start_failed", ["PollySynthesisTaskFailedError", REASON]),
        ("get_failed", ["PollySynthesisTaskFailedFinalError", REASON]),
        ("sensor_failed", ["PollySynthesisTaskFailedFinalError", REASON]),
        ("sensor_unknown", ["PollySynthesisTaskNotFoundError", "in us-east-1", "'first' was found"]),
        ("sensor_late", ["AirflowSensorTimeout", "was inProgress when the timeout passed"]),
    ],
)
def test_failed(
    world: World, run_id: str, ended: dict[str, TaskInstance], task_id: str, words: list[str]
) -> None:
    assert (ended[task_id].state, ended[task_id].try_number) == ("failed", 1)
    log = world.airflow.task_log("each_end", run_id, task_id)
    for word in words:
        assert word in log
    pushed = world.airflow.xcoms("each_end", run_id, task_id)
    assert [key for key in pushed if not key.startswith("_link_")] == []


def test_throttled_and_by_a_second_connection(
    world: World, run_id: str, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    assert ended["sensor_throttled"].state == "success"
    pushed = world.airflow.xcoms("each_end", run_id, "sensor_throttled")
    assert pushed["TaskId"] == ids["sensor_throttled"]
    assert pushed["OutputUri"].startswith(f"https://s3.{SECOND_REGION}.amazonaws.com/")


def test_tells_each_wait_in_its_own_log(world: World, run_id: str, ids: dict[str, str]) -> None:
    seen = {task_id: ids[task_id] for task_id in ids if task_id != "sensor_unknown"}
    assert_own_lines_alone(world.airflow, "each_end", run_id, seen)


def test_no_wait_is_lost_with_a_triggerer_and_one_marked_failed_says_what_runs_on(world: World) -> None:
    airflow = world.airflow
    ids = {
        "get": world.first.seed(),
        "sensor": world.second.seed(region=SECOND_REGION),
        "marked": world.first.seed(),
    }
    run_id = airflow.trigger("outlive", ids)
    wait_until_seen(airflow, "outlive", run_id, ids)
    airflow.wait_for_task("outlive", run_id, "start", "deferred", timeout=SLOW)

    if AIRFLOW_MAJOR >= 3:
        mark_failed(airflow, "outlive", run_id, "marked")
        wait_for_line(airflow, "outlive", run_id, "marked", f"{ids['marked']} runs on and is billed")
    airflow.kill("triggerer", signal.SIGKILL)
    airflow.start("triggerer")
    world.first.end_synthesis()
    world.second.end_synthesis()
    airflow.wait_for_run("outlive", run_id, timeout=SLOW)

    states = {task.task_id: task.state for task in airflow.metadata.task_instances("outlive", run_id)}
    marked = "failed" if AIRFLOW_MAJOR >= 3 else "success"
    assert states == {"start": "success", "get": "success", "sensor": "success", "marked": marked}
    for task_id in ("start", "get", "sensor"):
        assert airflow.xcoms("outlive", run_id, task_id)["TaskStatus"] == "completed"
    assert_own_lines_alone(
        airflow, "outlive", run_id, {task_id: ids[task_id] for task_id in ("get", "sensor")}
    )


def mark_failed(airflow: AirflowStack, dag_id: str, run_id: str, task_id: str) -> None:
    with httpx.Client(base_url=airflow.base_url, timeout=60, trust_env=False) as client:
        token = client.get("/auth/token").raise_for_status().json()["access_token"]
        client.patch(
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}",
            json={"new_state": "failed"},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()
