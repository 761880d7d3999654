"""Schedule a DAG on an asset: one DAG creates audio, and another DAG runs when the audio is ready.

The same code runs on Airflow 2.11, where an asset is called a dataset.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import Asset, dag, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")

# [START howto_polly_asset]
ANNOUNCEMENTS = Asset(f"s3://{BUCKET}/announcements")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_asset() -> None:
    """Speak an announcement."""
    PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text="The train on platform two is ready to depart.",
        voice_id="Emma",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="announcements/",
        deferrable=True,
        outlets=[ANNOUNCEMENTS],
    )


@dag(schedule=[ANNOUNCEMENTS], start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"])
def example_polly_asset_played() -> None:
    """Run each time an announcement has been created."""

    @task
    def play(**context: Any) -> list[str]:
        """Return the audio of each event that started this run; a manual run has no events."""
        # On Airflow 2.11, the key is triggering_dataset_events.
        by_asset = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        extras = [event.extra for events in by_asset.values() for event in events]
        return [f"{extra['OutputS3Uri']}: {extra['RequestCharacters']} characters" for extra in extras]

    play()


# [END howto_polly_asset]

example_polly_asset()
example_polly_asset_played()
