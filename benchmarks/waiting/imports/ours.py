"""A DAG with an operator and a sensor of this package."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor


@dag(schedule=None, start_date=datetime(2025, 1, 1))
def imported() -> None:
    """Start a synthesis task, and wait for it."""
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="Hello.",
        voice_id="Joanna",
        output_s3_bucket_name="audio",
        wait_for_completion=False,
    )
    PollySpeechSynthesisTaskSensor(task_id="wait", synthesis_task_id=start.output)


imported()
