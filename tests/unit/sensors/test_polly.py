"""The sensor without a task runner: what it gives its trigger, and how it comes back from a deferral."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException

from airflow_polly_provider.aws_base import AwsBaseSensor
from airflow_polly_provider.exceptions import PollyCredentialsError, PollyError, PollyInvalidRequestError
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from airflow_polly_provider.triggers import events
from airflow_polly_provider.waiting import CREDENTIALS_GRACE_SECONDS
from tests.unit.support import (
    Refusal,
    connection,
    context,
    deferral_of,
    execute,
    running,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

# What Airflow passes on for a deferral that it ended itself, from 2.11 to 3.3.
TIME_OUTS = ["Trigger/execution timeout", "Trigger timeout"]


def sensor(**arguments: Any) -> PollySpeechSynthesisTaskSensor:
    return PollySpeechSynthesisTaskSensor(task_id="sense", **{"synthesis_task_id": "t1", **arguments})


def given_up(error: str, **arguments: Any) -> Any:
    """Resume a sensor whose deferral Airflow ended itself."""
    waiter: Any = sensor(deferrable=True, **arguments)
    with running(waiter):
        return waiter.resume_execution("__fail__", {"error": error}, context())


class TestPoking:
    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The intervals slept, in no time."""
        intervals: list[float] = []
        clock = sys.modules[_base_module()].time
        began = clock.monotonic()
        monkeypatch.setattr(clock, "monotonic", lambda: began + sum(intervals))
        monkeypatch.setattr(clock, "sleep", intervals.append)
        return intervals

    def test_asks_every_poke_interval(self, wire: Wire, slept: list[float]) -> None:
        wire.script(synthesis_task("t1", "scheduled"), synthesis_task("t1", "inProgress"), synthesis_task())
        running_context = context()
        value = execute(sensor(poke_interval=timedelta(seconds=7)), running_context)
        assert slept == [7, 7]
        assert value["TaskStatus"] == "completed"
        assert set(running_context["ti"].pushed) == set(OWN_XCOM_KEYS)

    def test_backs_off_up_to_max_wait(self, wire: Wire, slept: list[float]) -> None:
        wire.script(*[synthesis_task("t1", "inProgress")] * 12, synthesis_task())
        execute(sensor(poke_interval=2, exponential_backoff=True, max_wait=60))
        assert len(slept) == 12
        assert slept[0] < 10
        assert slept == sorted(slept)
        assert slept[-4:] == [60] * 4

    def test_ends_at_the_timeout(self, wire: Wire, slept: list[float]) -> None:
        wire.answer = lambda _: synthesis_task("t1", "inProgress")
        with pytest.raises(AirflowSensorTimeout):
            execute(sensor(poke_interval=10, timeout=timedelta(seconds=45)))
        assert sum(slept) == pytest.approx(50, abs=1)

    def test_goes_on_in_the_same_look_though_new_credentials_are_late(
        self, wire: Wire, slept: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answer(request: Request) -> Answer:
            if wire.count("t1") == 4:
                monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-2"))
            if request.region == "eu-west-1":
                return Refusal("ExpiredTokenException", 403)
            return synthesis_task()

        wire.answer = answer
        # Rescheduled, each look is a process of its own.
        assert sensor(mode="reschedule", poke_interval=3600).poke(context()).is_done
        assert 0 < sum(slept) < 60

    def test_ends_when_credentials_stay_bad(self, wire: Wire, slept: list[float]) -> None:
        wire.answer = lambda _: Refusal("ExpiredTokenException", 403)
        with pytest.raises(PollyCredentialsError, match="AWS refused the credentials"):
            execute(sensor(poke_interval=10))
        assert sum(slept) == pytest.approx(CREDENTIALS_GRACE_SECONDS, abs=60)

    def test_ends_at_the_timeout_though_credentials_are_bad(self, wire: Wire, slept: list[float]) -> None:
        wire.answer = lambda _: Refusal("ExpiredTokenException", 403)
        with pytest.raises(AirflowSensorTimeout, match="AWS refused the credentials"):
            execute(sensor(timeout=60))
        assert sum(slept) == pytest.approx(60, abs=1)

    def test_takes_a_whole_synthesis_task_for_its_id(self, wire: Wire) -> None:
        assert execute(sensor(synthesis_task_id=events.finished(synthesis_task("t7"))["synthesis_task"]))
        assert wire.count("t7") == 1

    @pytest.mark.parametrize("nothing", [None, "", {}, {"TaskStatus": "completed"}, 7])
    def test_refuses_what_is_no_id(self, wire: Wire, nothing: Any) -> None:
        with pytest.raises(PollyInvalidRequestError):
            execute(sensor(synthesis_task_id=nothing))
        assert wire.requests == []


class TestDeferring:
    def test_gives_the_trigger_what_it_was_given(self, wire: Wire) -> None:
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
        assert wire.requests == [], "the triggerer asks, and nobody else"

    @pytest.mark.parametrize("error", TIME_OUTS)
    def test_ended_by_airflow_at_its_time_out_is_a_time_out(self, error: str) -> None:
        with pytest.raises(AirflowSensorTimeout, match=error):
            given_up(error)

    def test_ended_by_airflow_for_another_reason_may_be_retried(self) -> None:
        with pytest.raises(PollyError, match="Trigger failure"):
            given_up("Trigger failure")

    @pytest.mark.parametrize("error", [*TIME_OUTS, "Trigger failure"])
    @pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
    def test_ended_by_airflow_is_skipped_where_asked(self, flag: str, error: str) -> None:
        with pytest.raises(AirflowSkipException, match=error):
            given_up(error, **{flag: True})


def _base_module() -> str:
    """Where Airflow's own loop of pokes lies."""
    return next(base for base in AwsBaseSensor.__mro__ if "_get_next_poke_interval" in vars(base)).__module__
