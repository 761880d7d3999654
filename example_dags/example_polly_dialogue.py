"""Turn a dialogue with two voices into one mp3 file. An unchanged turn costs nothing."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, **SHARED)
def example_polly_dialogue() -> None:
    """Speak a riddle from *Alice's Adventures in Wonderland*, and report the duration and the cost."""
    # [START howto_polly_dialogue]
    riddle = PollySynthesizeDocumentOperator(
        task_id="riddle",
        turns=[
            {"voice_id": "Brian", "text": "Have you guessed the riddle yet?"},
            # The pause is the silence after the turn, in seconds.
            {"voice_id": "Amy", "text": "No, I give it up. What's the answer?", "pause": 2.5},
            {"voice_id": "Brian", "text": "I haven't the slightest idea."},
        ],
        chapter_pause_seconds=0.3,
        title="The riddle",
        output_s3_bucket_name=BUCKET,
        output_s3_key="dialogues/riddle.mp3",
        deferrable=True,
    )

    @task
    def report(seconds: float, characters: int) -> str:
        """Return a line for the editors."""
        return f"{seconds:.1f} seconds, {characters} characters billed"

    report(riddle.output["DurationSeconds"], riddle.output["RequestCharacters"])
    # [END howto_polly_dialogue]


example_polly_dialogue()
