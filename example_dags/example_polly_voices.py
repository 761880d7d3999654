"""Speak one text with each voice that supports a language and an engine in this region."""

from __future__ import annotations

import os
from datetime import datetime

from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_voices() -> None:
    """List the voices, and map the start operator over them."""

    # [START howto_polly_voices]
    @task
    def voices() -> list[str]:
        """Return the neural voices for British English, including bilingual voices."""
        return [voice["Id"] for voice in PollyHook().voices(language_code="en-GB", engine="neural")]

    PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="sample",
        text="The quick brown fox jumps over the lazy dog.",
        engine="neural",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="samples/",
    ).expand(voice_id=voices())
    # [END howto_polly_voices]

    # [START howto_polly_check_voice]
    PollyStartSpeechSynthesisTaskOperator(
        task_id="checked",
        text="The quick brown fox jumps over the lazy dog.",
        voice_id="{{ params.voice_id }}",
        engine="neural",
        params={"voice_id": "Olivia"},
        check_voice=True,
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="samples/",
    )
    # [END howto_polly_check_voice]


example_polly_voices()
