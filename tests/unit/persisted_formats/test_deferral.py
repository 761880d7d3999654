"""A deferral stores the trigger's class path and arguments, and the method that resumes the task.

Airflow's database keeps such rows while tasks wait, for up to 72 hours, even across an upgrade. If a
trigger cannot be created from its row, the task fails. Never change a value here or in
``golden``; see ``support.py``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.trigger import Trigger
from packaging.version import Version

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.unit.persisted_formats.support import (
    ADVICE,
    AIRFLOW,
    TASK_ID,
    TRIGGER,
    assert_unchanged,
    golden,
    imported,
)
from tests.unit.support import connection, deferral_of, sensor, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.persisted_formats.support import Account

HOOK: dict[str, Any] = {
    "aws_conn_id": "other",
    "region_name": "us-west-2",
    "verify": False,
    "botocore_config": {"read_timeout": 7, "retries": {"mode": "standard"}},
}
DEFERRALS: dict[str, tuple[str, dict[str, Any]]] = {
    "start": ("start", {}),
    "start_output_key": (
        "start",
        {"output_s3_key": "final/hello.mp3", "output_s3_key_prefix": "audio/intro"},
    ),
    "start_output_key_without_prefix": ("start", {"output_s3_key": "final/hello.mp3", "durable": False}),
    "start_all": ("start", {"poke_interval": 12.5, "timeout": 600, "do_xcom_push": False, **HOOK}),
    "get": ("get", {"synthesis_task_id": TASK_ID}),
    "get_all": (
        "get",
        {
            "synthesis_task_id": TASK_ID,
            "poke_interval": timedelta(minutes=1),
            "timeout": timedelta(hours=2),
            "do_xcom_push": False,
            **HOOK,
        },
    ),
    "sensor": ("sensor", {"synthesis_task_id": TASK_ID}),
    "sensor_all": (
        "sensor",
        {
            "synthesis_task_id": TASK_ID,
            "poke_interval": 7,
            "timeout": timedelta(hours=2),
            "exponential_backoff": True,
            "max_wait": 70,
            "silent_fail": True,
            "do_xcom_push": False,
            **HOOK,
        },
    ),
}
from_airflow_3_3 = pytest.mark.skipif(
    Version("3.3") > AIRFLOW, reason="start_from_trigger and end_from_trigger need Airflow 3.3"
)


@pytest.fixture(autouse=True)
def _other_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection())


def row_of(waiter: str, **arguments: Any) -> dict[str, Any]:
    """Return the values that Airflow stores for the deferral of an operator or sensor."""
    deferred = deferral_of(waiter, **arguments)
    class_path, trigger_arguments = deferred.trigger.serialize()
    return {
        "classpath": class_path,
        "kwargs": trigger_arguments,
        "next_method": deferred.method_name,
        "next_kwargs": deferred.kwargs,
        "timeout_seconds": deferred.timeout.total_seconds(),
    }


class TestTrigger:
    def test_with_defaults_stores_every_argument(self) -> None:
        trigger = imported(TRIGGER)(synthesis_task_id=TASK_ID)
        class_path, arguments = trigger.serialize()
        assert class_path == TRIGGER, ADVICE
        assert_unchanged(arguments, golden("triggers")["defaults"])

    def test_with_all_arguments_stores_them_unchanged(self) -> None:
        expected = golden("triggers")["all"]
        class_path, arguments = imported(TRIGGER)(**expected).serialize()
        assert class_path == TRIGGER, ADVICE
        assert_unchanged(arguments, expected)

    @pytest.mark.parametrize("case", ["defaults", "all"])
    def test_of_the_earlier_version_can_be_created_from_its_database_row(self, case: str) -> None:
        arguments = golden("triggers")[case]
        row = Trigger(classpath=TRIGGER, kwargs=arguments)
        trigger = imported(row.classpath)(**row.kwargs)
        assert {name: getattr(trigger, name) for name in arguments} == arguments, ADVICE


class TestBatchTrigger:
    PATH = "airflow_polly_provider.triggers.batch.PollySpeechSynthesisBatchTrigger"
    REQUIRED = ("manifest_s3_uri", "manifest_etag", "deadline")

    def test_with_defaults_stores_every_argument(self) -> None:
        expected = golden("triggers")["batch_defaults"]
        trigger = imported(self.PATH)(**{name: expected[name] for name in self.REQUIRED})
        class_path, arguments = trigger.serialize()
        assert class_path == self.PATH, ADVICE
        assert_unchanged(arguments, expected)

    @pytest.mark.parametrize("case", ["batch_defaults", "batch_all"])
    def test_of_the_earlier_version_can_be_created_from_its_database_row(self, case: str) -> None:
        arguments = golden("triggers")[case]
        row = Trigger(classpath=self.PATH, kwargs=arguments)
        trigger = imported(row.classpath)(**row.kwargs)
        assert_unchanged(trigger.serialize()[1], arguments)


class TestDeferral:
    @pytest.mark.parametrize("case", DEFERRALS)
    def test_stores_the_trigger_and_the_resume_method(self, account: Account, case: str) -> None:
        waiter, arguments = DEFERRALS[case]
        account.answer = lambda _: synthesis_task(TASK_ID, "scheduled")
        assert_unchanged(row_of(waiter, **arguments), golden("deferrals")[case])

    def test_of_a_wav_file_also_stores_its_form(self, account: Account) -> None:
        account.answer = lambda _: synthesis_task(TASK_ID, "scheduled")
        key = {"output_s3_key": "final/hello.wav", "output_s3_key_prefix": "audio/intro"}
        stored = row_of("start", output_container="wav", output_format="pcm", **key)["kwargs"]
        assert_unchanged(
            stored["for_resume"],
            {
                "bucket": "my-bucket",
                "key": "final/hello.wav",
                "prefix": "audio/intro-f3murf4axq2gqr2a",
                "run_token": "f3murf4axq2gqr2a",
                "speech_digest": "6ee93553615f32c6f57790f4d90791bb49f50af3edbc5e994625fd0fe29dae07",
                "wav": {"output_format": "pcm", "sample_rate": 16000},
            },
        )
        assert_unchanged(
            stored["extra_xcom"],
            {"RequestDigest": "e696e50834264f33e252523c84d2e06458f3b9a4cb218f0da1e4862bcb968935"},
        )

    @from_airflow_3_3
    def test_with_end_from_trigger_stores_that_option(self, account: Account) -> None:
        account.answer = lambda _: synthesis_task(TASK_ID, "scheduled")
        assert_unchanged(
            row_of("start", end_from_trigger=True), golden("deferrals")["start_end_from_trigger"]
        )


@from_airflow_3_3
class TestStartFromTrigger:
    """The serialized DAG stores a sensor's trigger arguments, which contain no deadline."""

    def test_stores_a_synthesis_task_id(self) -> None:
        args = sensor(start_from_trigger=True, synthesis_task_id=TASK_ID).start_trigger_args
        self.assert_stored(args, "id")

    def test_stores_every_setting(self) -> None:
        arguments = {**DEFERRALS["sensor_all"][1], "end_from_trigger": True}
        self.assert_stored(sensor(start_from_trigger=True, **arguments).start_trigger_args, "all")

    def test_stores_an_operator_output_as_a_template(self) -> None:
        with DAG("dag", schedule=None, start_date=datetime(2025, 1, 1)):
            output: Any = start_operator().output  # Airflow declares XComArg, whose type has no []
            whole = sensor(start_from_trigger=True, synthesis_task_id=output)
            self.assert_stored(whole.start_trigger_args, "output")

    def test_stores_a_mapped_operator_output_as_a_template(self) -> None:
        with DAG("dag", schedule=None, start_date=datetime(2025, 1, 1)):
            mapped: Any = PollyStartSpeechSynthesisTaskOperator.partial(
                task_id="speak", voice_id="Amy", output_s3_bucket_name="my-bucket"
            ).expand(text=["One.", "Two."])
            args = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(
                mapped.output, poke_interval=timedelta(minutes=1), end_from_trigger=True
            )
            self.assert_stored(args, "mapped_output")

    def assert_stored(self, args: Any, case: str) -> None:
        assert_unchanged(stored_args(args), golden("start_trigger_args")[case])


def stored_args(args: Any) -> dict[str, Any]:
    """Return ``start_trigger_args`` as JSON."""
    return {
        "trigger_cls": args.trigger_cls,
        "trigger_kwargs": args.trigger_kwargs,
        "next_method": args.next_method,
        "next_kwargs": args.next_kwargs,
        "timeout_seconds": args.timeout.total_seconds(),
    }
