"""Speak many texts in parallel with a mapped start operator and a mapped sensor."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_mapped() -> None:
    """Speak each text of a list, and add up the characters when all are completed."""

    # [START howto_polly_mapped]
    @task
    def texts() -> list[str]:
        """Return the texts; replace this with a query, a feed or a folder of texts."""
        return ["Platform one is closed.", "Platform two is open.", "Mind the gap, please."]

    start = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="start",
        voice_id="Brian",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="platforms/",
        wait_for_completion=False,
    ).expand(text=texts())

    gate = PollySpeechSynthesisTaskSensor.partial(
        task_id="gate",
        deferrable=True,
    ).expand(synthesis_task_id=start.output)

    @task
    def total(synthesis_tasks: list[dict[str, Any]]) -> int:
        """Return the total number of billed characters."""
        return sum(synthesis_task["RequestCharacters"] for synthesis_task in synthesis_tasks)

    total(gate.output)
    # [END howto_polly_mapped]


example_polly_mapped()
