"""Speak an article, and write captions and a transcript that a player shows along with the speech.

Polly bills the speech marks for captions like speech, so this costs twice as much as the audio alone. If a
part of the article changes, only that part is paid for.
"""

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
def example_polly_captions() -> None:
    """Speak an article with captions, and make the HTML that plays it."""
    # [START howto_polly_captions]
    article = PollySynthesizeDocumentOperator(
        task_id="article",
        document="texts/article.md",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key="articles/speech.mp3",
        captions=("vtt", "srt", "json"),
        max_request_characters=20_000,
        deferrable=True,
    )

    @task
    def player(audio: str, captions: dict[str, str]) -> str:
        """Return the HTML of a player. Replace this with a step that publishes the article."""
        source, track = (f"/media/{uri.partition('://')[2]}" for uri in (audio, captions["vtt"]))
        return (
            f'<video controls src="{source}">'
            f'<track default kind="captions" srclang="en" label="English" src="{track}"></video>'
        )

    player(article.output["OutputS3Uri"], article.output["CaptionsS3Uris"])
    # [END howto_polly_captions]


example_polly_captions()
