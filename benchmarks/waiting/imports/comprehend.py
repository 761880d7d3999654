"""A DAG with the amazon provider's operator and sensor for Amazon Comprehend, which work like ours."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.amazon.aws.operators.comprehend import ComprehendStartPiiEntitiesDetectionJobOperator
from airflow.providers.amazon.aws.sensors.comprehend import (
    ComprehendStartPiiEntitiesDetectionJobCompletedSensor,
)
from airflow.sdk import dag


@dag(schedule=None, start_date=datetime(2025, 1, 1))
def imported() -> None:
    """Start a job, and wait for it."""
    start = ComprehendStartPiiEntitiesDetectionJobOperator(
        task_id="start",
        input_data_config={"S3Uri": "s3://texts/", "InputFormat": "ONE_DOC_PER_LINE"},
        output_data_config={"S3Uri": "s3://found/"},
        mode="ONLY_OFFSETS",
        data_access_role_arn="arn:aws:iam::123456789012:role/comprehend",
        language_code="en",
        wait_for_completion=False,
    )
    ComprehendStartPiiEntitiesDetectionJobCompletedSensor(task_id="wait", job_id=start.output)  # type: ignore[arg-type]  # as above


imported()
