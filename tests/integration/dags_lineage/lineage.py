"""Tasks whose objects must be in Airflow's and OpenLineage's lineage, and tasks whose objects must not."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.openlineage.utils.selective_enable import enable_lineage

from airflow_polly_provider.compat import DAG, AssetAlias
from airflow_polly_provider.operators.polly import PollyGetSpeechSynthesisTaskOperator as Get
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator as Start
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor as Sensor

START: dict[str, Any] = {
    "text": "Nobody else hears this.",
    "voice_id": "Amy",
    "output_s3_bucket_name": os.environ["POLLY_EXAMPLE_BUCKET"],
    "retries": 0,
}

with DAG("lineage", schedule=None, start_date=datetime(2025, 1, 1), catchup=False) as dag:
    Start(task_id="deferred", deferrable=True, outlets=[AssetAlias(name="spoken")], **START)
    # The first try times out before the synthesis task ends; the second try adopts the synthesis task.
    Start(
        task_id="adopted",
        deferrable=False,
        timeout=1,
        **{**START, "retries": 1, "retry_delay": timedelta(seconds=12)},
    )
    Start(task_id="failed", deferrable=False, **{**START, "output_s3_bucket_name": "nobody-made-this"})
    unseen = Start(task_id="unseen", wait_for_completion=False, **START)
    looked_up = Get(task_id="looked_up", synthesis_task_id=unseen.output["TaskId"])
    gate = Sensor(task_id="gate", synthesis_task_id=unseen.output["TaskId"], deferrable=True, retries=0)
    gate >> looked_up

enable_lineage(dag)
