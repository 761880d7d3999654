"""What a deferred wait lives through on a real triggerer, and what ends it."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.stack.emulator import aws_connection, running_emulator
from tests.integration.emulator_process import Emulator
from tests.integration.stack_support import BUCKET, polly_stack, wait_for_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stack.airflow import AirflowStack
    from scripts.stack.metadata import TaskInstance

DAGS = Path(__file__).with_name("dags_alive")
UNLISTED = [f"unlisted_{number}" for number in range(6)]
SLOW = 240.0
TROUBLES: dict[str, dict[str, Any]] = {
    "a server's error": {"error": "ServiceFailureException"},
    "throttling": {"error": "ThrottlingException", "times": 9},
    "no answer in time": {"delay_seconds": 3},
    "a dropped connection": {"drop": "before"},
    "half an answer": {"cut": True},
    "expired credentials": {"error": "ExpiredTokenException"},
}
GOES_ON = "Cannot see synthesis task {} now; the wait goes on: "

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


class World:
    """A running Airflow, and an emulator for each connection but ``lost``, which leads nowhere."""

    def __init__(self, airflow: AirflowStack, emulators: dict[str, Emulator]) -> None:
        self.airflow = airflow
        self.emulators = emulators
        self.ids = {
            name: emulators[name.partition("_")[0]].seed() for name in ("troubled", "denied", *UNLISTED)
        }
        self.ids["lost"] = emulators["troubled"].seed()
        self.run_id = airflow.trigger("alive", self.ids)

    def wait_for_line(self, task_id: str, words: str) -> None:
        wait_for_line(self.airflow, "alive", self.run_id, task_id, words)

    def log(self, task_id: str) -> str:
        return self.airflow.trigger_log("alive", self.run_id, task_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("alive")
    with ExitStack() as stack:
        running = stack.enter_context(
            polly_stack(home / "airflow", dags_folder=DAGS, emulator_arguments=("--audio", "none"))
        )
        urls = {"troubled": running.endpoint_url, "lost": "http://polly.invalid"}
        for name in ("denied", "unlisted"):
            urls[name] = stack.enter_context(
                running_emulator(home / f"{name}.log", "--bucket", BUCKET, "--audio", "none")
            )
        for name, url in urls.items():
            running.airflow.metadata.add_connection(name, json.loads(aws_connection(url)))
        emulators = {name: Emulator(url) for name, url in urls.items() if name != "lost"}
        for emulator in emulators.values():
            stack.callback(emulator.close)
        emulators["denied"].deny("GetSpeechSynthesisTask")
        emulators["unlisted"].deny("ListSpeechSynthesisTasks")
        yield World(running.airflow, emulators)


@pytest.fixture(scope="module")
def ended(world: World) -> dict[str, TaskInstance]:
    """The task instances after all troubles, one after the other, and the end of the synthesis tasks."""
    troubled = world.emulators["troubled"]
    world.wait_for_line("troubled", f"Synthesis task {world.ids['troubled']} is inProgress")
    for fault in TROUBLES.values():
        before = world.log("troubled").count(GOES_ON.format(world.ids["troubled"]))
        troubled.ask("faults", **{"operation": "GetSpeechSynthesisTask", "times": 1, **fault})
        deadline = time.monotonic() + 120
        while world.log("troubled").count(GOES_ON.format(world.ids["troubled"])) == before:
            assert time.monotonic() < deadline, (fault, world.log("troubled"))
            time.sleep(0.5)
        # A trouble that lasts is told once, so each one begins after a check that went well.
        went_well = troubled.calls("GetSpeechSynthesisTask", "ok")
        while troubled.calls("GetSpeechSynthesisTask", "ok") < went_well + 2:
            assert time.monotonic() < deadline, (fault, world.log("troubled"))
            time.sleep(0.5)
    for name in UNLISTED:
        world.wait_for_line(name, f"Synthesis task {world.ids[name]} is inProgress")
    for emulator in world.emulators.values():
        emulator.end_synthesis()
    world.airflow.wait_for_run("alive", world.run_id, timeout=SLOW)
    tasks = world.airflow.metadata.task_instances("alive", world.run_id)
    return {task.task_id: task for task in tasks}


def test_trouble_ends_no_wait(world: World, ended: dict[str, TaskInstance]) -> None:
    assert ended["troubled"].state == "success", world.log("troubled")
    assert world.log("troubled").count(GOES_ON.format(world.ids["troubled"])) == len(TROUBLES)
    pushed = world.airflow.xcoms("alive", world.run_id, "troubled")
    assert pushed["TaskStatus"] == "completed"


def test_a_name_that_does_not_resolve_ends_a_wait_at_its_deadline_and_not_before(
    world: World, ended: dict[str, TaskInstance]
) -> None:
    assert GOES_ON.format(world.ids["lost"]) in world.log("lost")
    assert ended["lost"].state == "failed"
    assert "AirflowSensorTimeout" in world.airflow.task_log("alive", world.run_id, "lost")


def test_access_denied_on_get_ends_its_own_wait(world: World, ended: dict[str, TaskInstance]) -> None:
    assert (ended["denied"].state, ended["denied"].try_number) == ("failed", 1)
    log = world.airflow.task_log("alive", world.run_id, "denied")
    assert "polly:GetSpeechSynthesisTask" in log


def test_denied_lists_are_replaced_by_get(world: World, ended: dict[str, TaskInstance]) -> None:
    assert {ended[name].state for name in UNLISTED} == {"success"}
    unlisted = world.emulators["unlisted"]
    assert unlisted.calls("ListSpeechSynthesisTasks", "AccessDeniedException") == 1
    assert unlisted.calls("GetSpeechSynthesisTask", "ok") >= 2 * len(UNLISTED)


def test_each_wait_tells_of_its_own_troubles_alone(world: World, ended: dict[str, TaskInstance]) -> None:
    for task_id in ended:
        others = {world.ids[name] for name in world.ids if name != task_id}
        assert not [other for other in others if other in world.log(task_id)], task_id
