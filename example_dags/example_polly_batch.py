"""Make the 60 prompts of a phone system with one task. A run pays only for the prompts that have changed.

Use one task for all texts if there are more than a few dozen of them: Airflow then starts two worker
processes in all, not two for each text, and a retry makes only what is missing. If each prompt needs a task
instance with separate retries, log and XComs, use a mapped task, as in the DAG example_polly_phone_prompts.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
PROMPTS = Path(__file__).parent / "prompts" / "library.csv"
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, **SHARED)
def example_polly_batch() -> None:
    """Speak all prompts, add up what was billed, and publish the prompts that have changed."""
    # [START howto_operator_polly_batch]
    # Each line of the file has the columns id, text and output_s3_key.
    prompts = PollySynthesizeBatchOperator(
        task_id="prompts",
        items=str(PROMPTS),
        voice_id="Joanna",
        output_format="mulaw",
        output_container="wav",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="working/",
        skip_if_unchanged=True,
        max_total_request_characters=20_000,
        deferrable=True,
    )
    # [END howto_operator_polly_batch]

    # [START howto_polly_batch_downstream]
    @task
    def report(characters: int, unchanged: int) -> str:
        """Return a line for the operators of the phone system."""
        return f"{characters} characters billed, {unchanged} prompts unchanged"

    @task
    def publish(result: dict[str, Any]) -> list[str]:
        """Return the prompts that this run has made. Replace this with a step that uploads them."""
        made = [item for item in result["Items"] if not item.get("Unchanged")]
        return [f"{item['Id']}: {item['OutputS3Uri']}" for item in made]

    report(prompts.output["RequestCharacters"], prompts.output["UnchangedItems"])
    publish(prompts.output)
    # [END howto_polly_batch_downstream]


example_polly_batch()
