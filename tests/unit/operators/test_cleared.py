"""On Airflow 3.3, a cleared task adopts its synthesis task only if it had not yet delivered the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import TaskDeferred
from airflow_polly_provider.triggers import events
from tests.unit.support import context, execute, running, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire

START = "StartSpeechSynthesisTask"
SCHEDULED = synthesis_task(status="scheduled")


class Store(dict[str, Any]):
    """The part of Airflow 3.3's task state store that the operator uses."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def starts(wire: Wire) -> int:
    return [request.operation for request in wire.requests].count(START)


@pytest.fixture
def running_context() -> dict[str, Any]:
    return context(max_tries=1) | {"task_state_store": Store()}


def cleared(running_context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the try after a clear in the same run."""
    kept = {key: running_context[key] for key in ("dag_run", "task_state_store")}
    return context(max_tries=2, try_number=2) | kept


def defer(operator: Any, running_context: dict[str, Any]) -> None:
    with pytest.raises(TaskDeferred):
        execute(operator, running_context)


def test_a_task_cleared_during_its_deferral_adopts_its_synthesis_task(
    wire: Wire, running_context: dict[str, Any]
) -> None:
    wire.script_start(SCHEDULED, SCHEDULED)
    defer(start_operator(deferrable=True), running_context)
    defer(start_operator(deferrable=True), cleared(running_context))
    assert starts(wire) == 1


def test_a_cleared_task_that_succeeded_after_a_deferral_starts_a_new_synthesis_task(
    wire: Wire, running_context: dict[str, Any]
) -> None:
    wire.script_start(SCHEDULED, SCHEDULED)
    operator: Any = start_operator(deferrable=True)
    with running(operator), pytest.raises(TaskDeferred) as deferred:
        operator.execute(running_context)
    extra = deferred.value.trigger.serialize()[1]["extra_xcom"]
    with running(operator):
        operator.execute_complete(running_context, events.success_event(synthesis_task(), extra))
    defer(start_operator(deferrable=True), cleared(running_context))
    assert starts(wire) == 2


@pytest.mark.parametrize("waits", [True, False])
def test_a_cleared_task_that_succeeded_in_the_worker_starts_a_new_synthesis_task(
    wire: Wire, running_context: dict[str, Any], waits: bool
) -> None:
    wire.script_start(synthesis_task(), synthesis_task())
    for each in (running_context, cleared(running_context)):
        execute(start_operator(wait_for_completion=waits, deferrable=False), each)
    assert starts(wire) == 2
