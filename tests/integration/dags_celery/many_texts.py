"""One mapped start per text; the length of a text identifies its synthesis task."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import dag

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

LENGTHS = range(1, int(os.environ["POLLY_CELERY_TEXTS"]) + 1)


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, max_active_tasks=64)
def many_texts() -> None:
    """Start a synthesis task for each text."""
    PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="speak",
        voice_id="Amy",
        output_s3_bucket_name=os.environ["POLLY_CELERY_BUCKET"],
        deferrable=True,
        poke_interval=2,
        retries=3,
        retry_delay=timedelta(seconds=1),
    ).expand(text=["x" * length for length in LENGTHS])


many_texts()
