"""Sensors that start in the triggerer, and their parameters that are refused when the DAG is parsed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider import settings
from airflow_polly_provider.compat import DAG, task_group
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.triggers.base import StartTriggerArgs


@pytest.fixture(autouse=True)
def _newest_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "airflow_version", "3.3.0")


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("dag", schedule=None, start_date=datetime(2025, 1, 1)) as dag:
        yield dag


def start(**settings: Any) -> PollyStartSpeechSynthesisTaskOperator:
    given = {"text": "Hello.", "voice_id": "Amy", "output_s3_bucket_name": "bucket"} | settings
    return PollyStartSpeechSynthesisTaskOperator(task_id="start", **given)


def gate(**settings: Any) -> PollySpeechSynthesisTaskSensor:
    """Return a sensor that starts in the triggerer."""
    return PollySpeechSynthesisTaskSensor(task_id="gate", start_from_trigger=True, **settings)


def started_with(args: StartTriggerArgs | None) -> tuple[timedelta | None, dict[str, Any]]:
    """Return the timeout of a start in the triggerer, and the arguments of its trigger."""
    assert args is not None
    assert args.trigger_kwargs is not None
    return args.timeout, args.trigger_kwargs


def mapped_start() -> Any:
    partial = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="start", voice_id="Amy", output_s3_bucket_name="bucket"
    )
    return partial.expand(text=["One.", "Two."])


def test_every_sensor_parameter_reaches_the_trigger_through_start_trigger_args() -> None:
    sensor = gate(
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
    )
    timeout, trigger_arguments = started_with(sensor.start_trigger_args)
    assert timeout == timedelta(hours=2)
    assert trigger_arguments == {
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


def test_an_operators_output_becomes_a_template_with_map_indexes_minus_one(dag: DAG) -> None:
    output: Any = start().output  # Airflow declares XComArg, whose type has no []
    sensor = gate(synthesis_task_id=output["TaskId"])
    _, trigger_arguments = started_with(sensor.start_trigger_args)
    template = trigger_arguments["synthesis_task_id"]
    assert "task_ids='start'" in template
    assert "key='TaskId'" in template
    assert "map_indexes=-1" in template
    assert sensor.upstream_task_ids == {"start"}


def test_a_mapped_sensor_pulls_a_mapped_output_at_its_own_map_index(dag: DAG) -> None:
    args = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(mapped_start().output, timeout=60)
    timeout, trigger_arguments = started_with(args)
    assert "map_indexes=ti.map_index" in trigger_arguments["synthesis_task_id"]
    assert timeout == timedelta(seconds=60)


def test_a_mapped_sensor_accepts_durations_as_timedelta_like_the_sensor_itself(dag: DAG) -> None:
    args = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(
        mapped_start().output, poke_interval=timedelta(minutes=1), max_wait=timedelta(minutes=9)
    )
    _, trigger_arguments = started_with(args)
    assert (trigger_arguments["poke_interval"], trigger_arguments["max_wait"]) == (60, 540)


@pytest.mark.parametrize("wrong", [{"poke_intervall": 7}, {"poke_interval": "often"}])
def test_a_wrong_parameter_of_a_mapped_sensor_is_refused_when_the_dag_is_parsed(
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
def test_an_xcom_pull_without_map_indexes_is_refused_with_the_replacement_to_write(pull: str) -> None:
    with pytest.raises(ValueError, match="map_indexes=-1"):
        gate(synthesis_task_id=f"{{{{ {pull} }}}}")


def test_an_xcom_pull_with_map_indexes_is_accepted() -> None:
    template = "{{ ti.xcom_pull(task_ids=params.get('task'), key='TaskId', map_indexes=-1) }}"
    _, trigger_arguments = started_with(gate(synthesis_task_id=template).start_trigger_args)
    assert trigger_arguments["synthesis_task_id"] == template


def test_a_mapped_output_is_refused_if_the_sensor_is_not_mapped(dag: DAG) -> None:
    with pytest.raises(ValueError, match="mapped_start_trigger_args"):
        gate(synthesis_task_id=mapped_start().output)


def test_an_output_of_the_same_mapped_task_group_is_pulled_at_the_groups_map_index(dag: DAG) -> None:
    @task_group
    def speak(text: str) -> None:
        gate(synthesis_task_id=start(text=text, wait_for_completion=False).output)

    speak.expand(text=["One.", "Two."])
    _, arguments = started_with(dag.get_task("speak.gate").start_trigger_args)
    assert "task_ids='speak.start'" in arguments["synthesis_task_id"]
    assert "map_indexes=ti.map_index)" in arguments["synthesis_task_id"]


def test_an_output_from_outside_a_mapped_task_group_is_pulled_at_map_index_minus_one(dag: DAG) -> None:
    before: Any = start().output

    @task_group
    def wait(number: int) -> None:
        gate(synthesis_task_id=before, doc=f"Wait {number}")

    wait.expand(number=[1, 2])
    _, arguments = started_with(dag.get_task("wait.gate").start_trigger_args)
    assert "map_indexes=-1)" in arguments["synthesis_task_id"]


def test_an_output_of_another_mapped_task_group_is_refused(dag: DAG) -> None:
    @task_group
    def speak(text: str) -> Any:
        return start(text=text, wait_for_completion=False).output

    with pytest.raises(ValueError, match=r"Task 'speak\.start' is mapped"):
        gate(synthesis_task_id=speak.expand(text=["One.", "Two."]))


@pytest.mark.parametrize(("execution_timeout", "expected"), [(60, 60), (9000, 7200), (0, 7200), (None, 7200)])
def test_the_shorter_of_timeout_and_execution_timeout_ends_the_wait(
    dag: DAG, execution_timeout: float | None, expected: float
) -> None:
    """Airflow ends this wait, because the trigger does not know when the task began."""
    limit = None if execution_timeout is None else timedelta(seconds=execution_timeout)
    args = gate(synthesis_task_id="t1", timeout=7200, execution_timeout=limit).start_trigger_args
    assert started_with(args)[0] == timedelta(seconds=expected)
    mapped = PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(
        mapped_start().output, timeout=7200, execution_timeout=execution_timeout
    )
    assert started_with(mapped)[0] == timedelta(seconds=expected)


def test_an_unmapped_output_is_refused_if_the_sensor_is_mapped(dag: DAG) -> None:
    with pytest.raises(ValueError, match="not mapped"):
        PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(start().output)


def test_an_output_with_map_is_refused_because_the_triggerer_cannot_resolve_it(dag: DAG) -> None:
    with pytest.raises(ValueError, match="cannot resolve"):
        gate(synthesis_task_id=start().output.map(lambda task: task["TaskId"]))
