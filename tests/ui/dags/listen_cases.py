"""Tasks for which the tab Listen has nothing to play, or not everything."""

from __future__ import annotations

import os
from datetime import datetime

from airflow.sdk import dag, task

from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

BUCKET = os.environ["POLLY_EXAMPLE_BUCKET"]
NO_BUCKET = "this-bucket-does-not-exist"


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False)
def listen_cases() -> None:
    PollyStartSpeechSynthesisTaskOperator(
        task_id="no_bucket",
        text="Nobody will hear this.",
        voice_id="Amy",
        output_s3_bucket_name=NO_BUCKET,
        poke_interval=1,
        retries=0,
    )
    PollySynthesizeBatchOperator(
        task_id="prompts",
        items=[
            {"id": "welcome", "text": "Welcome to the railway.", "output_s3_key": "welcome.wav"},
            {
                "id": "broken",
                "text": "Nobody will hear this.",
                "output_s3_bucket_name": NO_BUCKET,
                "output_s3_key": "broken.wav",
            },
            {"id": "menu/2", "text": "For tickets, press two.", "output_s3_key": "menu/two.wav"},
            {"id": "good-bye", "text": "Thank you, and good bye.", "output_s3_key": "good-bye.wav"},
        ],
        voice_id="Joanna",
        output_format="mulaw",
        output_container="wav",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="cases/",
        on_item_failure="continue",
        poke_interval=1,
    )

    @task
    def silent() -> str:
        """Push a result that has nothing to do with speech."""
        return "quiet"

    silent()


listen_cases()
