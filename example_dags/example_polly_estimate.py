"""Add up what many texts would cost, and speak them only if the total is within a budget.

Without ``[aws_polly] price_per_million_characters`` in Airflow's configuration, only the characters are
limited, not the cost.
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
    from airflow_polly_provider.results.estimate import SpeechEstimate

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
MAX_CHARACTERS = 100_000
MAX_COST = 5.0


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_estimate() -> None:
    """Estimate each text in a dry run, then speak all of them or none."""

    # [START howto_polly_estimate]
    @task
    def texts() -> list[str]:
        """Return the texts. Replace this with a query, a feed or a folder of texts."""
        return ["Platform one is closed.", "Platform two is open.", "Mind the gap, please."]

    given = texts()

    estimate = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="estimate",
        voice_id="Brian",
        output_s3_bucket_name=BUCKET,
        dry_run=True,
    ).expand(text=given)

    @task.short_circuit
    def within_budget(reports: list[SpeechEstimate]) -> bool:
        """Return whether all texts together are within the budget."""
        characters = sum(report["RequestCharacters"] for report in reports)
        cost = sum(report.get("EstimatedCost", 0.0) for report in reports)
        print(f"{characters:,} characters, estimated cost {cost:.6f}")
        return characters <= MAX_CHARACTERS and cost <= MAX_COST

    start = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="start",
        voice_id="Brian",
        output_s3_bucket_name=BUCKET,
        deferrable=True,
    ).expand(text=given)

    within_budget(estimate.output) >> start
    # [END howto_polly_estimate]


example_polly_estimate()
