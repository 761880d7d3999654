"""Start a synthesis task without waiting, wait for it with a sensor, and use the result.

The sensor is deferred to the triggerer, so it occupies no worker while it waits.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_sensor() -> None:
    """Start a synthesis task, wait for it, and publish the result."""
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="The recording of {{ run_id }} is ready. Please listen to it.",
        voice_id="Joanna",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="announcements/",
        wait_for_completion=False,
    )

    # [START howto_sensor_polly]
    gate = PollySpeechSynthesisTaskSensor(
        task_id="gate",
        synthesis_task_id=start.output["TaskId"],
        deferrable=True,
        timeout=timedelta(hours=1),
    )
    # [END howto_sensor_polly]

    # [START howto_operator_polly_get]
    get = PollyGetSpeechSynthesisTaskOperator(
        task_id="get",
        synthesis_task_id=start.output["TaskId"],
    )
    # [END howto_operator_polly_get]

    @task
    def publish(output_uri: str, request_characters: int) -> str:
        """Replace this with the next step of your pipeline."""
        return f"{output_uri} ({request_characters} characters billed)"

    gate >> get
    publish(get.output["OutputUri"], get.output["RequestCharacters"])


example_polly_sensor()
