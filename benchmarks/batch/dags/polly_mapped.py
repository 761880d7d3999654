"""DAGs with one mapped task for each text. The run's conf has the path of a JSON Lines file of texts."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

DAG: dict[str, Any] = {"schedule": None, "start_date": datetime(2025, 1, 1), "max_active_tasks": 2000}
SPEAK: dict[str, Any] = {
    "task_id": "speak",
    "voice_id": "Amy",
    "output_s3_bucket_name": os.environ["POLLY_BATCH_BUCKET"],
    "output_s3_key_prefix": "speech/",
    "deferrable": True,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}


@task
def texts(dag_run: Any = None) -> list[str]:
    """Return the texts of the run's items."""
    lines = Path(dag_run.conf["items"]).read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]


@dag(**DAG)
def mapped_deferrable() -> None:
    """Start synthesis tasks in workers, wait in the triggerer, and end in workers."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK).expand(text=texts())


@dag(**DAG)
def mapped_end_from_trigger() -> None:
    """Start synthesis tasks in workers, and wait and end in the triggerer."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK, end_from_trigger=True).expand(text=texts())


mapped_deferrable()
mapped_end_from_trigger()
