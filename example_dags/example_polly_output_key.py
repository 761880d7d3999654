"""Write the audio of a text to a fixed S3 key, and pay only if the text has changed.

The DAG runs unchanged on AWS and with the emulator: only the connection ``aws_default`` differs. The
environment variable ``POLLY_EXAMPLE_BUCKET`` sets the bucket. On AWS, the bucket must exist in the region of
the connection.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

if TYPE_CHECKING:
    from airflow_polly_provider.results.synthesis_task import SynthesisTaskXCom

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_output_key() -> None:
    """Speak a page to ``site/alice.mp3``, and report the billed characters."""
    # [START howto_operator_polly_output_key]
    speak = PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text="texts/alice.txt",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="working/",
        output_s3_key="site/alice.mp3",
        skip_if_unchanged=True,
        deferrable=True,
    )
    # [END howto_operator_polly_output_key]

    # [START howto_polly_unchanged]
    @task
    def report(audio: SynthesisTaskXCom) -> None:
        """Print whether the audio is new or unchanged."""
        if audio["Unchanged"]:
            print(f"{audio['OutputS3Uri']} is unchanged, {audio['SpokenCharacters']:,} characters long")
        else:
            print(f"{audio['OutputS3Uri']} is new, for {audio['RequestCharacters']:,} characters")

    report(speak.output)
    # [END howto_polly_unchanged]


example_polly_output_key()
