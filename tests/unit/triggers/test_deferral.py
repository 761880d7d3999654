from __future__ import annotations

import inspect
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from airflow_polly_provider import settings
from airflow_polly_provider.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_polly_provider.exceptions import PollyWaitTimeoutError
from airflow_polly_provider.triggers import events
from airflow_polly_provider.triggers.deferral import trigger_settings
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait.errors import timed_out
from airflow_polly_provider.wait.schedule import Schedule
from tests.unit.support import (
    as_context,
    connection,
    context,
    deferral_of,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
)

if TYPE_CHECKING:
    from tests.unit.support import Wire


# The trigger's arguments that are not settings of the deferring task.
OF_ONE_WAIT = {"synthesis_task_id", "deadline", "silent_fail", "extra_xcom", "for_resume"}
# A value that is not the default, for each setting.
SETTINGS: dict[str, Any] = {
    "poke_interval": 12.5,
    "end_from_trigger": True,
    "aws_conn_id": "other",
    "region_name": "us-west-2",
    "verify": False,
    "botocore_config": {"read_timeout": 7},
}


class TestDeferral:
    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    def test_passes_every_setting_of_the_task_to_the_trigger(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, waiter: str
    ) -> None:
        monkeypatch.setattr(settings, "airflow_version", "3.3.0")
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        _, serialized = deferral_of(waiter, do_xcom_push=False, **SETTINGS).trigger.serialize()
        expected = {**SETTINGS, "push_xcom": False}
        assert {name: serialized[name] for name in expected} == expected

    def test_passes_every_trigger_argument_that_is_a_setting(self) -> None:
        arguments = set(inspect.signature(PollySpeechSynthesisTaskTrigger).parameters)
        assert set(trigger_settings(sensor(), Schedule())) == arguments - OF_ONE_WAIT

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    def test_has_the_poke_interval_and_a_deadline_before_airflows_timeout(
        self, wire: Wire, waiter: str
    ) -> None:
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        deferred = deferral_of(waiter, poke_interval=12.5, timeout=600)
        trigger = deferred.trigger
        assert trigger.poke_interval == 12.5
        assert trigger.deadline == pytest.approx(time.time() + 600, abs=5)
        assert deferred.timeout.total_seconds() > 600, "our own deadline comes first"


class TestExecutionTimeout:
    """Airflow 3 does not apply ``execution_timeout`` to deferred time (apache/airflow issue 69678)."""

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    @pytest.mark.parametrize(
        ("execution_timeout", "expected"), [(120, 120), (6000, 600), (0, 600), (None, 600)]
    )
    def test_ends_the_wait_if_it_is_shorter_than_timeout(
        self, wire: Wire, waiter: str, execution_timeout: float | None, expected: float
    ) -> None:
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        limit = None if execution_timeout is None else timedelta(seconds=execution_timeout)
        deferred = deferral_of(waiter, timeout=600, execution_timeout=limit)
        assert deferred.trigger.deadline == pytest.approx(time.time() + expected, abs=5)
        assert expected < deferred.timeout.total_seconds() < expected + 600

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    def test_counts_from_the_start_of_the_try(self, wire: Wire, waiter: str) -> None:
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        running_context = context()
        running_context["ti"].start_date -= timedelta(seconds=100)
        deferred = deferral_of(waiter, running_context, execution_timeout=timedelta(seconds=120))
        assert deferred.trigger.deadline == pytest.approx(time.time() + 20, abs=5)

    def test_fails_a_sensor_with_an_error_that_airflow_retries(self) -> None:
        """Airflow's own execution timeout does the same; ``timeout`` fails a sensor without retries."""
        event = events.error_event(timed_out("t1", "inProgress"))
        limited = sensor(execution_timeout=timedelta(seconds=120), timeout=600)
        with running(limited), pytest.raises(PollyWaitTimeoutError) as error:
            limited.execute_complete(as_context(context()), event)
        assert not isinstance(error.value, AirflowFailException | AirflowSensorTimeout)
        assert "execution_timeout" in str(error.value)

    @pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
    def test_skips_a_sensor_with_soft_fail_or_never_fail(self, flag: str) -> None:
        event = events.error_event(timed_out("t1", "inProgress"))
        limited = sensor(execution_timeout=timedelta(seconds=120), timeout=600, **{flag: True})
        with running(limited), pytest.raises(AirflowSkipException):
            limited.execute_complete(as_context(context()), event)


class TestBotocoreConfig:
    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    def test_passed_as_an_object_reaches_the_trigger_in_a_form_that_airflow_can_save(
        self, wire: Wire, waiter: str
    ) -> None:
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        config = Config(read_timeout=7, retries={"mode": "standard"})
        _, serialized = deferral_of(waiter, botocore_config=config).trigger.serialize()
        assert json.loads(json.dumps(serialized["botocore_config"])) == {
            "read_timeout": 7,
            "retries": {"mode": "standard"},
        }

    @pytest.mark.parametrize("make", [start_operator, get_operator, sensor])
    @pytest.mark.parametrize("config", [Config(signature_version=UNSIGNED), {"signature_version": UNSIGNED}])
    def test_that_airflow_cannot_save_is_refused_when_the_dag_is_parsed(self, make: Any, config: Any) -> None:
        waits = {} if make is sensor else {"wait_for_completion": True}
        with pytest.raises(ValueError, match="botocore_config cannot be sent to the triggerer"):
            make(deferrable=True, botocore_config=config, **waits)
        assert (
            make(deferrable=False, botocore_config=config, **waits).hook.config.signature_version == UNSIGNED
        )


class TestEndFromTrigger:
    @pytest.fixture(autouse=True)
    def _newest_airflow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "airflow_version", "3.3.0")

    def test_without_a_deferral_is_refused(self) -> None:
        with pytest.raises(ValueError, match="deferrable=True"):
            start_operator(end_from_trigger=True, deferrable=False)
        with pytest.raises(ValueError, match="deferrable=True"):
            start_operator(end_from_trigger=True, deferrable=True, wait_for_completion=False)

    def test_warns_that_success_callbacks_do_not_run(self) -> None:
        with pytest.warns(UserWarning, match="no success callback"):
            start_operator(end_from_trigger=True, deferrable=True, on_success_callback=print)
