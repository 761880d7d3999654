"""The id and last status of a synthesis task are in XCom while it runs and after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowSensorTimeout, TaskDeferred
from airflow_polly_provider.exceptions import (
    PollyInvalidRequestError,
    PollySynthesisTaskFailedError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.triggers import events
from airflow_polly_provider.wait import schedule
from airflow_polly_provider.wait.errors import timed_out
from tests.unit.support import (
    context,
    execute,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
    warnings_in,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire

SCHEDULED = synthesis_task(status="scheduled")
IN_PROGRESS = synthesis_task(status="inProgress")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")
FAILURE = {"TaskId": "t1", "TaskStatus": "failed", "TaskStatusReason": "The bucket does not exist"}

WAITERS: dict[str, Any] = {
    "start": start_operator,
    "get": lambda **arguments: get_operator(wait_for_completion=True, **arguments),
    "sensor": sensor,
}
each_waiter = pytest.mark.parametrize("make", WAITERS.values(), ids=WAITERS)


def assert_pushed(running_context: dict[str, Any], status: dict[str, str], *, message: str) -> None:
    """Check that exactly a status and an error message are in XCom."""
    pushed = dict(running_context["ti"].pushed)
    assert message in pushed.pop("ErrorMessage")
    assert pushed == status


@pytest.fixture(autouse=True)
def _checks_in_quick_succession(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.01)


@each_waiter
def test_the_id_is_pushed_before_a_deferral(wire: Wire, make: Any) -> None:
    wire.script_start(SCHEDULED, SCHEDULED)
    running_context = context()
    with pytest.raises(TaskDeferred):
        execute(make(deferrable=True), running_context)
    # The sensor has not requested the status yet.
    status = {} if make is sensor else {"TaskStatus": "scheduled"}
    assert running_context["ti"].pushed == {"TaskId": "t1", **status}


@each_waiter
def test_a_failure_is_pushed_by_a_wait_in_the_worker(wire: Wire, make: Any) -> None:
    wire.script_start(SCHEDULED, SCHEDULED, FAILED)
    running_context = context()
    with pytest.raises(PollySynthesisTaskFailedError):
        execute(make(deferrable=False, poke_interval=0.01), running_context)
    assert_pushed(running_context, FAILURE, message="The bucket does not exist")


@each_waiter
def test_a_failure_is_pushed_after_a_deferral(make: Any) -> None:
    running_context = context()
    waiter = make(deferrable=True)
    with running(waiter), pytest.raises(PollySynthesisTaskFailedError):
        waiter.execute_complete(running_context, events.success_event(FAILED))
    assert_pushed(running_context, FAILURE, message="The bucket does not exist")


@each_waiter
def test_the_last_status_is_pushed_at_a_timeout_in_the_worker(wire: Wire, make: Any) -> None:
    wire.script_start(SCHEDULED, IN_PROGRESS)
    running_context = context()
    with pytest.raises((PollyWaitTimeoutError, AirflowSensorTimeout)):
        execute(make(deferrable=False, timeout=0.3, poke_interval=0.01), running_context)
    assert_pushed(running_context, {"TaskId": "t1", "TaskStatus": "inProgress"}, message="time")


@each_waiter
def test_the_last_status_is_pushed_at_a_timeout_after_a_deferral(make: Any) -> None:
    running_context = context()
    waiter = make(deferrable=True)
    with running(waiter), pytest.raises((PollyWaitTimeoutError, AirflowSensorTimeout)):
        waiter.execute_complete(running_context, events.error_event(timed_out("t1", "inProgress")))
    assert_pushed(running_context, {"TaskId": "t1", "TaskStatus": "inProgress"}, message="timeout passed")


def test_only_the_message_is_pushed_before_a_synthesis_task_exists(wire: Wire) -> None:
    running_context = context()
    with pytest.raises(PollyInvalidRequestError) as raised:
        execute(start_operator(text=""), running_context)
    assert running_context["ti"].pushed == {"ErrorMessage": str(raised.value)}


def test_nothing_is_pushed_with_do_xcom_push_false(wire: Wire) -> None:
    wire.script_start(SCHEDULED, FAILED)
    running_context = context()
    with pytest.raises(PollySynthesisTaskFailedError):
        execute(start_operator(deferrable=False, do_xcom_push=False), running_context)
    assert running_context["ti"].pushed == {}


def test_a_failed_xcom_push_does_not_fail_the_task(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the task failed, only a retry could use the synthesis task. The operator pushes again at the end."""
    wire.script_start(SCHEDULED, synthesis_task())
    running_context = context()
    ti = running_context["ti"]
    push = ti.xcom_push

    def push_later(key: str, value: Any) -> None:
        if value == "scheduled":
            raise ConnectionError("the API server is unavailable")
        push(key, value)

    monkeypatch.setattr(ti, "xcom_push", push_later)
    assert execute(start_operator(deferrable=False), running_context)["TaskStatus"] == "completed"
    assert ti.pushed["TaskStatus"] == "completed"
    assert any("the API server is unavailable" in warning for warning in warnings_in(caplog))
