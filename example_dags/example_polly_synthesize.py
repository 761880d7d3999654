"""Speak short texts directly to S3 and to a file, without a synthesis task."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime

from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
FOLDER = os.environ.get("POLLY_EXAMPLE_FOLDER", tempfile.gettempdir())


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_synthesize() -> None:
    """Write one announcement to S3 and one to disk."""
    # [START howto_operator_polly_synthesize]
    announce = PollySynthesizeSpeechOperator(
        task_id="announce",
        text="The report of {{ dag_run.start_date | ds }} is ready.",
        voice_id="Joanna",
        output_s3_bucket_name=BUCKET,
        output_s3_key="announcements/{{ dag_run.start_date | ds_nodash }}.mp3",
        max_request_characters=500,
    )
    # [END howto_operator_polly_synthesize]

    # [START howto_operator_polly_synthesize_path]
    to_file = PollySynthesizeSpeechOperator(
        task_id="to_file",
        text="Mind the gap, please.",
        voice_id="Brian",
        output_format="ogg_vorbis",
        sample_rate=48000,
        output_path=f"file://{FOLDER}/announcements/mind-the-gap.ogg",
    )
    # [END howto_operator_polly_synthesize_path]

    @task
    def report(audio: str, file: str, request_characters: int) -> str:
        """Replace this with the next step of your pipeline."""
        return f"{audio} and {file}; {request_characters} characters billed for the first"

    report(announce.output["OutputS3Uri"], to_file.output["OutputUri"], announce.output["RequestCharacters"])


example_polly_synthesize()
