"""Deferred waits with transient and permanent errors. ``conf`` contains the ids of their synthesis tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor as Sensor

# Without botocore's retries, so that each fault fails one check.
HERE: dict[str, Any] = {
    "deferrable": True,
    "poke_interval": 2,
    "retries": 0,
    "botocore_config": {"read_timeout": 1, "retries": {"total_max_attempts": 1}},
}


def conf(name: str) -> str:
    return f"{{{{ dag_run.conf['{name}'] }}}}"


with DAG("alive", schedule=None, start_date=datetime(2025, 1, 1), catchup=False):
    Sensor(task_id="troubled", synthesis_task_id=conf("troubled"), aws_conn_id="troubled", **HERE)
    Sensor(task_id="denied", synthesis_task_id=conf("denied"), aws_conn_id="denied", **HERE)
    Sensor(task_id="lost", synthesis_task_id=conf("lost"), aws_conn_id="lost", timeout=90, **HERE)
    for number in range(6):
        name = f"unlisted_{number}"
        Sensor(task_id=name, synthesis_task_id=conf(name), aws_conn_id="unlisted", **HERE)
