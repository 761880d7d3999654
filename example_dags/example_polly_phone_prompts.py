"""Make the prompts of a phone system: WAV files with 8 kHz mu-law samples. Unchanged prompts cost nothing.

Each prompt is a task instance of its own, with its own retries, log and XComs. For more than a few dozen
prompts, use one task for all of them, as in the DAG example_polly_batch: it needs much less of Airflow's CPU
time.
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


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, **SHARED)
def example_polly_phone_prompts() -> None:
    """Speak three prompts, and report the number of billed characters."""
    # [START howto_polly_phone_prompts]
    prompts = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="prompts",
        voice_id="Joanna",
        output_format="mulaw",
        output_container="wav",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="working/",
        skip_if_unchanged=True,
        deferrable=True,
    ).expand_kwargs(
        [
            {"text": "Thank you for calling the tea party.", "output_s3_key": "prompts/greeting.wav"},
            {"text": "For tea, press 1. For riddles, press 2.", "output_s3_key": "prompts/menu.wav"},
            {"text": "We are closed. It is always six o'clock.", "output_s3_key": "prompts/closed.wav"},
        ]
    )
    # [END howto_polly_phone_prompts]

    @task
    def report(spoken: list[dict[str, Any]]) -> int:
        """Return the number of billed characters. Replace this with a step that publishes the prompts."""
        return sum(prompt["RequestCharacters"] for prompt in spoken)

    report(prompts.output)


example_polly_phone_prompts()
