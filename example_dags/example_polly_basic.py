"""Speak a text with Amazon Polly, wait without occupying a worker, and use the result in a later task.

The DAG runs unchanged on AWS and with the emulator: only the connection ``aws_default`` differs. The
environment variable ``POLLY_EXAMPLE_BUCKET`` sets the bucket. On AWS, the bucket must exist in the region of
the connection.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_basic() -> None:
    """Start a synthesis task, and report on the audio when it is ready."""
    # [START howto_operator_polly_start]
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="texts/alice.txt",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="audio/alice",
        deferrable=True,
    )
    # [END howto_operator_polly_start]

    # [START howto_polly_downstream]
    @task
    def report(output_s3_uri: str, request_characters: int) -> dict[str, Any]:
        """Download the audio and print its size."""
        audio = S3Hook().get_key(output_s3_uri).get()["Body"].read()
        print(f"{output_s3_uri}: {len(audio):,} bytes of mp3 for {request_characters:,} characters")
        return {"bytes": len(audio), "bytes_per_character": round(len(audio) / request_characters, 1)}

    report(start.output["OutputS3Uri"], start.output["RequestCharacters"])
    # [END howto_polly_downstream]


example_polly_basic()
