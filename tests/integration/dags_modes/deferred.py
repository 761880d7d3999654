"""Deferred waits whose connections are only in the metadata database. ``conf`` has the synthesis task ids."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.operators.polly import PollyGetSpeechSynthesisTaskOperator as Get
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator as Start
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor as Sensor

FIRST: dict[str, Any] = {"deferrable": True, "aws_conn_id": "first", "poke_interval": 2, "retries": 0}
SECOND: dict[str, Any] = {**FIRST, "aws_conn_id": "second"}
START: dict[str, Any] = {
    "text": "Hello there.",
    "voice_id": "Amy",
    "output_s3_bucket_name": os.environ["POLLY_EXAMPLE_BUCKET"],
}
GET: dict[str, Any] = {"wait_for_completion": True}


def conf(name: str) -> dict[str, Any]:
    """Return arguments: the task id, and a template that reads the synthesis task id from ``conf``."""
    return {"task_id": name, "synthesis_task_id": f"{{{{ dag_run.conf['{name}'] }}}}"}


with DAG("each_end", schedule=None, start_date=datetime(2025, 1, 1), catchup=False):
    Start(task_id="start_completed", **START, **FIRST)
    Get(**conf("get_completed"), **GET, **FIRST)
    Sensor(**conf("sensor_completed"), **FIRST)
    Start(task_id="start_failed", **START, **SECOND)
    Get(**conf("get_failed"), **GET, **FIRST)
    Sensor(**conf("sensor_failed"), **FIRST)
    Sensor(**conf("sensor_unknown"), **FIRST)
    Sensor(**conf("sensor_late"), timeout=40, **FIRST)
    Sensor(**conf("sensor_expired"), execution_timeout=timedelta(seconds=40), **FIRST)
    Sensor(**conf("sensor_throttled"), **SECOND)

with DAG("outlive", schedule=None, start_date=datetime(2025, 1, 1), catchup=False):
    Start(task_id="start", **START, **FIRST)
    Get(**conf("get"), **GET, **FIRST)
    Sensor(**conf("sensor"), **SECOND)
    Sensor(**conf("marked"), **FIRST)
