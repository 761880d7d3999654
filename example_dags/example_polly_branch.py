"""Continue without audio if Polly cannot speak a text: two kinds of fallback let the DAG run succeed.

To see the fallbacks, set the param ``voice_id`` or ``bucket`` to a voice or bucket that does not exist.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}
VOICE_AND_PLACE: dict[str, Any] = {
    "voice_id": "{{ params.voice_id }}",
    "output_s3_bucket_name": "{{ params.bucket }}",
}


@dag(schedule=None, params={"voice_id": "Amy", "bucket": BUCKET}, doc_md=__doc__, **SHARED)
def example_polly_branch() -> None:
    """Speak a headline and a story, each with a different kind of fallback."""
    # [START howto_polly_branch_rule]
    headline = PollyStartSpeechSynthesisTaskOperator(
        task_id="headline", text="Rain at noon.", deferrable=True, **VOICE_AND_PLACE
    )

    @task
    def play(uri: str) -> str:
        """Play the audio."""
        return uri

    @task(trigger_rule="all_failed")
    def play_jingle() -> str:
        """Play a recording that is always available."""
        return f"s3://{BUCKET}/jingle.mp3"

    @task(trigger_rule="one_success")
    def played() -> None:
        """Succeed if one of the two tasks succeeded, so that the DAG run succeeds."""

    jingle = play_jingle()
    headline >> jingle
    [play(headline.output["OutputS3Uri"]), jingle] >> played()
    # [END howto_polly_branch_rule]

    # [START howto_polly_branch_status]
    story = PollyStartSpeechSynthesisTaskOperator(
        task_id="story", text="Take an umbrella.", deferrable=True, **VOICE_AND_PLACE
    )

    @task.branch(trigger_rule="all_done")
    def choose(**context: Any) -> str:
        """Choose the next task, based on the TaskStatus of the synthesis task."""
        status = context["ti"].xcom_pull(task_ids="story", key="TaskStatus")
        # If there is no status, Polly rejected the request. After a time-out, the status is "inProgress": add
        # a branch for it.
        return {"completed": "publish", "failed": "check_bucket"}.get(status, "check_text")

    @task
    def go_on() -> None:
        """Replace this with the next step of your pipeline."""

    names = ("publish", "check_bucket", "check_text")
    story >> choose() >> [go_on.override(task_id=name)() for name in names]
    # [END howto_polly_branch_status]


example_polly_branch()
