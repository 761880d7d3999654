"""The sensor without a task runner: poking, deferring and resuming."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
)
from airflow_polly_provider.exceptions import PollyCredentialsError, PollyError, PollyInvalidRequestError
from airflow_polly_provider.results.synthesis_task import OWN_XCOM_KEYS
from airflow_polly_provider.triggers import events
from airflow_polly_provider.wait.errors import CREDENTIALS_GRACE_SECONDS
from tests.unit.support import (
    Refusal,
    as_context,
    connection,
    context,
    deferral_of,
    execute,
    running,
    sensor,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

# The errors that Airflow 2.11 to 3.3 raises when a deferral reaches its timeout.
TIMEOUTS = ["Trigger/execution timeout", "Trigger timeout"]


def resume_after(error: str, **arguments: Any) -> Any:
    """Resume a sensor whose deferral Airflow ended with an error."""
    waiter: Any = sensor(deferrable=True, **arguments)
    with running(waiter):
        return waiter.resume_execution("__fail__", {"error": error}, context())


class TestPoking:
    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Record the intervals between pokes instead of sleeping; each one advances the clock."""
        intervals: list[float] = []
        clock = sys.modules[BaseSensorOperator.__module__].time
        began, wall_began = clock.monotonic(), clock.time()
        monkeypatch.setattr(clock, "monotonic", lambda: began + sum(intervals))
        monkeypatch.setattr(clock, "time", lambda: wall_began + sum(intervals))
        monkeypatch.setattr(clock, "sleep", intervals.append)
        return intervals

    def test_requests_the_status_every_poke_interval_until_the_synthesis_task_has_ended(
        self, wire: Wire, slept: list[float]
    ) -> None:
        wire.script(synthesis_task("t1", "scheduled"), synthesis_task("t1", "inProgress"), synthesis_task())
        running_context = context()
        value = execute(sensor(poke_interval=timedelta(seconds=7)), running_context)
        assert slept == [7, 7]
        assert value["TaskStatus"] == "completed"
        expected = {*OWN_XCOM_KEYS, "AwsConnection"} - {"EstimatedCost"}
        assert set(running_context["ti"].pushed) == expected

    def test_with_exponential_backoff_waits_longer_each_time_up_to_max_wait(
        self, wire: Wire, slept: list[float]
    ) -> None:
        wire.script(*[synthesis_task("t1", "inProgress")] * 12, synthesis_task())
        execute(sensor(poke_interval=2, exponential_backoff=True, max_wait=60))
        assert len(slept) == 12
        assert slept[0] < 10
        assert slept == sorted(slept)
        assert slept[-4:] == [60] * 4

    def test_raises_airflows_timeout_error_at_the_timeout(self, wire: Wire, slept: list[float]) -> None:
        wire.answer = lambda _: synthesis_task("t1", "inProgress")
        with pytest.raises(AirflowSensorTimeout):
            execute(sensor(poke_interval=10, timeout=timedelta(seconds=45)))
        assert sum(slept) == pytest.approx(50, abs=1)

    def test_one_poke_waits_until_the_credentials_are_renewed(
        self, wire: Wire, slept: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answer(request: Request) -> Answer:
            if wire.count("t1") == 4:
                monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-2"))
            if request.region == "eu-west-1":
                return Refusal("ExpiredTokenException", 403)
            return synthesis_task()

        wire.answer = answer
        # In this mode each poke runs in a new process.
        done: Any = sensor(mode="reschedule", poke_interval=3600).poke(as_context(context()))
        assert done.is_done
        assert 0 < sum(slept) < 60

    def test_raises_the_credentials_error_after_the_grace_period(
        self, wire: Wire, slept: list[float]
    ) -> None:
        wire.answer = lambda _: Refusal("ExpiredTokenException", 403)
        with pytest.raises(PollyCredentialsError, match="AWS rejected the credentials"):
            execute(sensor(poke_interval=10))
        assert sum(slept) == pytest.approx(CREDENTIALS_GRACE_SECONDS, abs=60)

    def test_with_refused_credentials_still_ends_at_the_timeout(self, wire: Wire, slept: list[float]) -> None:
        wire.answer = lambda _: Refusal("ExpiredTokenException", 403)
        with pytest.raises(AirflowSensorTimeout, match="AWS rejected the credentials"):
            execute(sensor(timeout=60))
        assert sum(slept) == pytest.approx(60, abs=1)

    def test_accepts_a_synthesis_task_instead_of_its_id(self, wire: Wire) -> None:
        assert execute(sensor(synthesis_task_id=events.success_event(synthesis_task("t7"))["synthesis_task"]))
        assert wire.count("t7") == 1

    @pytest.mark.parametrize("value", [None, "", {}, {"TaskStatus": "completed"}, 7])
    def test_refuses_a_value_without_an_id_before_any_request(self, wire: Wire, value: Any) -> None:
        with pytest.raises(PollyInvalidRequestError):
            execute(sensor(synthesis_task_id=value))
        assert wire.requests == []


class TestDeferring:
    def test_passes_its_parameters_to_the_trigger_and_sends_no_request(self, wire: Wire) -> None:
        deferred = deferral_of(
            "sensor",
            poke_interval=timedelta(seconds=7),
            exponential_backoff=True,
            max_wait=timedelta(minutes=1),
            silent_fail=True,
        )
        trigger = deferred.trigger
        assert (trigger.poke_interval, trigger.max_wait) == (7, 60)
        assert trigger.exponential_backoff
        assert trigger.silent_fail
        assert wire.requests == [], "only the triggerer sends requests to Polly"

    @pytest.mark.parametrize("error", TIMEOUTS)
    def test_ended_by_airflow_at_its_timeout_raises_airflows_timeout_error(self, error: str) -> None:
        with pytest.raises(AirflowSensorTimeout, match=error):
            resume_after(error)

    @pytest.mark.parametrize("error", TIMEOUTS)
    def test_ended_by_airflow_at_its_execution_timeout_raises_an_error_that_airflow_retries(
        self, error: str
    ) -> None:
        with pytest.raises(PollyError, match=error):
            resume_after(error, execution_timeout=timedelta(minutes=1))

    def test_ended_by_airflow_for_another_reason_raises_an_error_that_airflow_retries(self) -> None:
        with pytest.raises(PollyError, match="Trigger failure"):
            resume_after("Trigger failure")

    @pytest.mark.parametrize("error", [*TIMEOUTS, "Trigger failure"])
    @pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
    def test_ended_by_airflow_skips_the_task_with_soft_fail_or_never_fail(
        self, flag: str, error: str
    ) -> None:
        with pytest.raises(AirflowSkipException, match=error):
            resume_after(error, **{flag: True})
