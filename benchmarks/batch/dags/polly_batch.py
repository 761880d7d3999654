"""DAGs with one task for all texts. The run's conf has the path of a file with a JSON object per line."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator

DAG: dict[str, Any] = {"schedule": None, "start_date": datetime(2025, 1, 1)}
SPEAK: dict[str, Any] = {
    "task_id": "speak",
    "items": "{{ dag_run.conf['items'] }}",
    "voice_id": "Amy",
    "output_s3_bucket_name": os.environ["POLLY_BATCH_BUCKET"],
    "output_s3_key_prefix": "speech/",
    "manifest_s3_key": "manifests/{{ run_id }}.json",
    "deferrable": True,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}


@dag(**DAG)
def batch() -> None:
    """Start all synthesis tasks in a worker, wait in the triggerer, and end in a worker."""
    PollySynthesizeBatchOperator(**SPEAK)


@dag(**DAG)
def batch_unchanged() -> None:
    """Start only the synthesis tasks of items that changed. Each item has a key for its object."""
    PollySynthesizeBatchOperator(**SPEAK, skip_if_unchanged=True)


@dag(**DAG)
def base() -> None:
    """Run a task that does nothing, to measure the memory of its worker."""

    @task
    def nothing() -> None:
        """Do nothing for a second. The DAG file has imported the operator."""
        # The memory of a process that ends earlier is not always read.
        time.sleep(1)

    nothing()


batch()
batch_unchanged()
base()
