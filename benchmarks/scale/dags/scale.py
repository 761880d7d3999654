"""DAGs that synthesize many texts: one for each method to compare, and one that waits in a worker."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

TEXTS = [f"Text {number}." for number in range(int(os.environ["POLLY_SCALE_TEXTS"]))]
DAG: dict[str, Any] = {"schedule": None, "start_date": datetime(2025, 1, 1), "max_active_tasks": 1000}
SPEAK: dict[str, Any] = {
    "task_id": "speak",
    "voice_id": "Amy",
    "output_s3_bucket_name": os.environ["POLLY_SCALE_BUCKET"],
    "deferrable": True,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}
# A connection to an account in which a synthesis takes a long time.
LONG = {"aws_conn_id": "long"}


@dag(**DAG)
def deferrable() -> None:
    """Start synthesis tasks in workers, wait in the triggerer, and end in workers."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK).expand(text=TEXTS)


@dag(**DAG)
def end_from_trigger() -> None:
    """Start synthesis tasks in workers, and wait and end in the triggerer."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK, end_from_trigger=True).expand(text=TEXTS)


@dag(**DAG)
def in_worker() -> None:
    """Start a synthesis task in a worker, and wait there for a long time."""
    PollyStartSpeechSynthesisTaskOperator(text="Held.", **(SPEAK | LONG | {"deferrable": False}))


@dag(**DAG)
def warm_up() -> None:
    """Synthesize a few texts."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK).expand(text=TEXTS[:20])


@dag(**DAG)
def long_waits() -> None:
    """Synthesize a few texts, and wait in the triggerers for a long time."""
    PollyStartSpeechSynthesisTaskOperator.partial(**SPEAK, **LONG).expand(text=TEXTS[:20])


for made in (deferrable, end_from_trigger, in_worker, warm_up, long_waits):
    made()
