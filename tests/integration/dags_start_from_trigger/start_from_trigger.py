"""Waits that start or end in the triggerer, or both, with each form of ``synthesis_task_id``."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow_polly_provider.compat import dag, task, task_group
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator as Start
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor as Sensor

START: dict[str, Any] = {"voice_id": "Amy", "output_s3_bucket_name": os.environ["POLLY_EXAMPLE_BUCKET"]}
HERE: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False)
def start_from_trigger() -> None:
    """Wait for one synthesis task in several ways, and for three synthesis tasks with mapped tasks."""
    one = Start(task_id="one", text="Hello there.", wait_for_completion=False, **START)
    by_key = Sensor(task_id="by_key", synthesis_task_id=one.output["TaskId"], **HERE)
    by_dict = Sensor(task_id="by_dict", synthesis_task_id=one.output, **HERE)
    by_template = Sensor(
        task_id="by_template",
        synthesis_task_id="{{ ti.xcom_pull(task_ids='one', key='TaskId', map_indexes=-1) }}",
        start_from_trigger=True,
    )
    one >> by_template

    many = Start.partial(task_id="many", wait_for_completion=False, **START).expand(
        text=["One.", "Two.", "Three."]
    )
    mapped = Sensor.partial(
        task_id="mapped",
        start_from_trigger=True,
        start_trigger_args=Sensor.mapped_start_trigger_args(many.output, end_from_trigger=True),
    ).expand(synthesis_task_id=many.output)

    ends_here = Start(
        task_id="ends_here", text="It ends in the triggerer.", deferrable=True, end_from_trigger=True, **START
    )
    Start(task_id="push_fails", text="A worker ends it.", deferrable=True, end_from_trigger=True, **START)
    skipping: dict[str, Any] = {"start_from_trigger": True, "soft_fail": True}
    Sensor(task_id="unknown", synthesis_task_id="unknown-id", **skipping)
    Sensor(task_id="nothing", synthesis_task_id="{{ '' }}", **skipping)
    Sensor(
        task_id="expired",
        synthesis_task_id="{{ dag_run.conf['expired'] }}",
        aws_conn_id="first",
        execution_timeout=timedelta(seconds=30),
        **skipping,
    )

    @task_group
    def group(text: str) -> None:
        started = Start(task_id="start", text=text, wait_for_completion=False, **START)
        Sensor(task_id="wait", synthesis_task_id=started.output, **HERE)

    group.expand(text=["Four.", "Five."])

    @task
    def use(*values: Any) -> list[Any]:
        """Return the values that the waits pushed."""
        return [list(value) if not isinstance(value, str | int | dict) else value for value in values]

    use(
        by_key.output["OutputUri"],
        by_dict.output["RequestCharacters"],
        by_template.output["TaskStatus"],
        ends_here.output,
        mapped.output,
    )


start_from_trigger()
