"""What may start in the triggerer, and what is refused when the DAG is parsed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_polly_provider import settings
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _newest_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "airflow_version", "3.3.0")


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("dag", schedule=None, start_date=datetime(2025, 1, 1)) as dag:
        yield dag


def start(**settings: Any) -> PollyStartSpeechSynthesisTaskOperator:
    return PollyStartSpeechSynthesisTaskOperator(
        task_id="start", text="Hello.", voice_id="Amy", output_s3_bucket_name="bucket", **settings
    )


def sensor(**settings: Any) -> PollySpeechSynthesisTaskSensor:
    return PollySpeechSynthesisTaskSensor(task_id="gate", start_from_trigger=True, **settings)


def mapped_start() -> Any:
    partial = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="start", voice_id="Amy", output_s3_bucket_name="bucket"
    )
    return partial.expand(text=["One.", "Two."])


def test_every_setting_reaches_the_trigger_by_start_trigger_args() -> None:
    args = sensor(
        synthesis_task_id="t1",
        timeout=timedelta(hours=2),
        poke_interval=7,
        exponential_backoff=True,
        max_wait=70,
        silent_fail=True,
        end_from_trigger=True,
        do_xcom_push=False,
        aws_conn_id="other",
        region_name="us-west-2",
        verify=False,
        botocore_config={"read_timeout": 7},
    ).start_trigger_args
    assert args.timeout == timedelta(hours=2)
    assert args.trigger_kwargs == {
        "synthesis_task_id": "t1",
        "poke_interval": 7,
        "exponential_backoff": True,
        "max_wait": 70,
        "silent_fail": True,
        "end_from_trigger": True,
        "push_xcom": False,
        "aws_conn_id": "other",
        "region_name": "us-west-2",
        "verify": False,
        "botocore_config": {"read_timeout": 7},
    }


def test_an_operators_output_becomes_a_template_that_names_its_map_index(dag: DAG) -> None:
    gate = sensor(synthesis_task_id=start().output["TaskId"])
    template = gate.start_trigger_args.trigger_kwargs["synthesis_task_id"]
    assert "task_ids='start'" in template
    assert "key='TaskId'" in template
    assert "map_indexes=-1" in template
    assert gate.upstream_task_ids == {"start"}


def test_a_mapped_output_is_pulled_at_the_own_map_index(dag: DAG) -> None:
    args = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(mapped_start().output, timeout=60)
    assert "map_indexes=ti.map_index" in args.trigger_kwargs["synthesis_task_id"]
    assert args.timeout == timedelta(seconds=60)


def test_a_mapped_sensors_settings_are_taken_as_the_sensor_takes_them(dag: DAG) -> None:
    args = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(
        mapped_start().output, poke_interval=timedelta(minutes=1), max_wait=timedelta(minutes=9)
    )
    assert (args.trigger_kwargs["poke_interval"], args.trigger_kwargs["max_wait"]) == (60, 540)


@pytest.mark.parametrize("wrong", [{"poke_intervall": 7}, {"poke_interval": "often"}])
def test_a_mapped_sensors_wrong_setting_is_refused_when_the_dag_is_read(
    dag: DAG, wrong: dict[str, Any]
) -> None:
    with pytest.raises((TypeError, ValueError), match=r"poke_intervall|'often'"):
        PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(mapped_start().output, **wrong)


@pytest.mark.parametrize(
    "pull",
    [
        "ti.xcom_pull(task_ids='start', key='TaskId')",
        "ti.xcom_pull(task_ids=params.get('task'), key='TaskId')",
        "ti.xcom_pull(('start'))['TaskId']",
    ],
)
def test_a_pull_that_would_hang_is_refused_saying_what_to_write(pull: str) -> None:
    with pytest.raises(ValueError, match="map_indexes=-1"):
        sensor(synthesis_task_id=f"{{{{ {pull} }}}}")


def test_a_pull_that_names_its_map_index_is_taken() -> None:
    template = "{{ ti.xcom_pull(task_ids=params.get('task'), key='TaskId', map_indexes=-1) }}"
    assert (
        sensor(synthesis_task_id=template).start_trigger_args.trigger_kwargs["synthesis_task_id"] == template
    )


def test_a_mapped_output_is_refused_where_the_sensor_is_not_mapped(dag: DAG) -> None:
    with pytest.raises(ValueError, match="mapped_start_trigger_args"):
        sensor(synthesis_task_id=mapped_start().output)


def test_an_output_that_is_not_mapped_is_refused_where_the_sensor_is(dag: DAG) -> None:
    with pytest.raises(ValueError, match="not mapped"):
        PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start().output)


def test_what_the_triggerer_cannot_resolve_is_refused(dag: DAG) -> None:
    with pytest.raises(ValueError, match="cannot resolve"):
        sensor(synthesis_task_id=start().output.map(lambda task: task["TaskId"]))


def test_ending_in_the_triggerer_needs_a_deferral() -> None:
    with pytest.raises(ValueError, match="deferrable=True"):
        start(end_from_trigger=True, deferrable=False)
    with pytest.raises(ValueError, match="deferrable=True"):
        start(end_from_trigger=True, deferrable=True, wait_for_completion=False)


def test_what_is_lost_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="no success callback"):
        start(end_from_trigger=True, deferrable=True, on_success_callback=print)


@pytest.mark.parametrize("version", ["2.11.2", "3.2.2"])
def test_an_older_airflow_is_told_apart(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(settings, "airflow_version", version)
    with pytest.raises(ValueError, match=re.escape(f"needs Airflow 3.3 or later; this is {version}")):
        sensor(synthesis_task_id="t1")
    with pytest.raises(ValueError, match=r"needs Airflow 3\.3"):
        start(end_from_trigger=True, deferrable=True)
