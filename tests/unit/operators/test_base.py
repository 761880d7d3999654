from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import AirflowTaskTimeout
from tests.unit.support import (
    deferral_of,
    execute,
    get_operator,
    start_operator,
    synthesis_task,
    warnings_in,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")


class TestWaitInWorker:
    @pytest.mark.parametrize("interruption", ["execution_timeout", "kill"])
    def test_warns_that_the_synthesis_task_continues_when_the_task_is_interrupted(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, interruption: str
    ) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        operator = start_operator(deferrable=False)

        def interrupt(_: float) -> None:
            if interruption == "kill":
                operator.on_kill()
            raise AirflowTaskTimeout("Timeout")

        monkeypatch.setattr(time, "sleep", interrupt)
        with pytest.raises(AirflowTaskTimeout):
            execute(operator)
        logged = [
            line for line in warnings_in(caplog) if "Synthesis task t1 keeps running and is billed" in line
        ]
        assert ("killed" if interruption == "kill" else "execution_timeout") in logged[0]


class TestDeferral:
    def test_of_the_start_operator_waits_for_its_own_synthesis_task(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        assert deferral_of("start").trigger.synthesis_task_id == "t1"

    def test_defaults_to_airflows_default_deferrable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
        assert start_operator().deferrable
        assert not start_operator(deferrable=False).deferrable

    def test_does_not_happen_with_wait_for_completion_false(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        assert (
            execute(start_operator(wait_for_completion=False, deferrable=True))["TaskStatus"] == "scheduled"
        )

    def test_does_not_happen_when_the_synthesis_task_has_ended(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, COMPLETED)
        operator = get_operator(wait_for_completion=True, deferrable=True)
        assert execute(operator)["TaskStatus"] == "completed"

    def test_accepts_durations_as_timedelta(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED)
        trigger = deferral_of(
            "start", poke_interval=timedelta(seconds=7), timeout=timedelta(minutes=10)
        ).trigger
        assert trigger.poke_interval == 7
        assert trigger.deadline == pytest.approx(time.time() + 600, abs=5)

    @pytest.mark.parametrize("given", [{"poke_interval": 0}, {"timeout": -1}, {"timeout": timedelta(0)}])
    def test_with_a_duration_of_zero_or_less_is_refused_when_the_dag_is_parsed(
        self, given: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError, match="above 0"):
            start_operator(**given)
