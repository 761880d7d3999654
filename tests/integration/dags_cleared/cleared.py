"""A DAG with a task that a test clears after the task has succeeded."""

from __future__ import annotations

import os
from datetime import datetime

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

with DAG("cleared", schedule=None, start_date=datetime(2025, 1, 1), catchup=False):
    PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text="Hello there.",
        voice_id="Amy",
        output_s3_bucket_name=os.environ["POLLY_EXAMPLE_BUCKET"],
        wait_for_completion=False,
    )
