"""Start a second DAG once, when all mapped texts are spoken: one asset event and one DAG run for all texts.

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
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}

# [START howto_polly_asset_pipeline]
BOOK = Asset(f"s3://{BUCKET}/book")


@dag(schedule=None, doc_md=__doc__, **SHARED)
def example_polly_asset_pipeline() -> None:
    """Speak three chapters, then emit one event for the whole book."""
    speak = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="speak",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="book/",
        deferrable=True,
    ).expand(text=["The first chapter.", "The second chapter.", "The last chapter."])

    @task(outlets=[BOOK])
    def book(chapters: list[dict[str, Any]], **context: Any) -> None:
        """Add the S3 URIs of all chapters to the event, in the order of the chapters."""
        extra = context["outlet_events"][BOOK].extra
        extra["chapters"] = [chapter["OutputS3Uri"] for chapter in chapters]
        extra["RequestCharacters"] = sum(chapter["RequestCharacters"] for chapter in chapters)

    book(speak.output)


@dag(schedule=[BOOK], **SHARED)
def example_polly_asset_pipeline_published() -> None:
    """Run when all chapters of a book have been spoken."""

    @task
    def publish(**context: Any) -> list[dict[str, Any]]:
        """Return the extra of each event that started this run; a manual run has no events."""
        # On Airflow 2.11, the key is triggering_dataset_events.
        by_asset = context.get("triggering_asset_events") or context.get("triggering_dataset_events") or {}
        return [dict(event.extra) for events in by_asset.values() for event in events]

    publish()


# [END howto_polly_asset_pipeline]

example_polly_asset_pipeline()
example_polly_asset_pipeline_published()
