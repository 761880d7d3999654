"""Errors that a deferred wait on a real triggerer survives, and errors that end it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.waiting_stack.world import SLOW, UNLISTED

if TYPE_CHECKING:
    from scripts.stack.metadata import TaskInstance
    from tests.integration.waiting_stack.world import World

PAGE = "<html>Accès refusé</html>"
FAULTS: dict[str, dict[str, Any]] = {
    "a server's error": {"error": "ServiceFailureException"},
    "throttling": {"error": "ThrottlingException", "times": 9},
    "read timeout": {"delay_seconds": 3},
    "a dropped connection": {"drop": "before"},
    "a truncated answer": {"cut": True},
    "expired credentials": {"error": "ExpiredTokenException"},
    "a page instead of an answer": {"page": PAGE},
    "a proxy's page with status 503": {"page": PAGE, "status": 503},
    "a redirect": {"page": PAGE, "status": 302},
    "a proxy's refusal": {"page": PAGE, "status": 403},
}
GOES_ON = "Cannot get the status of synthesis task {} now; still waiting: "

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ids(world: World) -> dict[str, str]:
    return world.ids["alive"]


@pytest.fixture(scope="module")
def ended(world: World, ids: dict[str, str]) -> dict[str, TaskInstance]:
    """Cause the faults one after the other, end the synthesis tasks, and return the task instances."""
    troubled = world.emulators["troubled"]

    def times_logged() -> int:
        return world.trigger_log("alive", "troubled").count(GOES_ON.format(ids["troubled"]))

    world.wait_until_seen("alive", {name: ids[name] for name in ("troubled", *UNLISTED)})
    for fault in FAULTS.values():
        before = times_logged()
        troubled.ask("faults", **{"operation": "GetSpeechSynthesisTask", "times": 1, **fault})
        deadline = time.monotonic() + 120
        while times_logged() == before:
            assert time.monotonic() < deadline, (fault, world.trigger_log("alive", "troubled"))
            time.sleep(0.2)
        # A lasting error is logged only once, so each fault must begin after a successful check.
        successful = troubled.calls("GetSpeechSynthesisTask", "ok")
        while troubled.calls("GetSpeechSynthesisTask", "ok") < successful + 2:
            assert time.monotonic() < deadline, (fault, world.trigger_log("alive", "troubled"))
            time.sleep(0.2)
    for name in ("troubled", "denied", "unlisted"):
        world.emulators[name].end_synthesis()
    world.airflow.wait_for_run("alive", world.run_ids["alive"], timeout=SLOW)
    return world.task_instances("alive")


def test_a_transient_error_does_not_end_a_wait(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    log = world.trigger_log("alive", "troubled")

    assert ended["troubled"].state == "success", log
    assert log.count(GOES_ON.format(ids["troubled"])) == len(FAULTS)
    assert world.xcoms("alive", "troubled")["TaskStatus"] == "completed"


def test_an_unresolvable_host_name_ends_a_wait_only_at_its_deadline(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    assert GOES_ON.format(ids["lost"]) in world.trigger_log("alive", "lost")
    assert ended["lost"].state == "failed"
    assert "AirflowSensorTimeout" in world.task_log("alive", "lost")


def test_access_denied_on_get_ends_only_its_own_wait(world: World, ended: dict[str, TaskInstance]) -> None:
    assert (ended["denied"].state, ended["denied"].try_number) == ("failed", 1)
    assert "polly:GetSpeechSynthesisTask" in world.task_log("alive", "denied")


def test_get_is_used_if_list_is_denied(world: World, ended: dict[str, TaskInstance]) -> None:
    assert {ended[name].state for name in UNLISTED} == {"success"}
    unlisted = world.emulators["unlisted"]
    assert unlisted.calls("ListSpeechSynthesisTasks", "AccessDeniedException") == 1
    assert unlisted.calls("GetSpeechSynthesisTask", "ok") >= 2 * len(UNLISTED)


def test_each_wait_logs_only_its_own_errors(
    world: World, ended: dict[str, TaskInstance], ids: dict[str, str]
) -> None:
    for task_id in ended:
        others = {ids[name] for name in ids if name != task_id}
        assert not [other for other in others if other in world.trigger_log("alive", task_id)], task_id
