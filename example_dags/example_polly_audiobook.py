"""Turn a book into one mp3 file with chapters. If a part of the book changes, only that part is paid for.

The file ``texts/alice.md`` is a short book: two chapters of about 1,300 characters each. A longer book, or an
EPUB file in S3, works in the same way: set ``POLLY_EXAMPLE_BOOK`` to its path.
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
BOOK = os.environ.get("POLLY_EXAMPLE_BOOK", "texts/alice.md")
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, **SHARED)
def example_polly_audiobook() -> None:
    """Speak a book, and write its table of contents."""
    # [START howto_polly_audiobook]
    book = PollySynthesizeDocumentOperator(
        task_id="book",
        document=BOOK,
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key="books/book.mp3",
        chapter_pause_seconds=2.0,
        max_request_characters=1_000_000,
        deferrable=True,
    )

    @task
    def show_notes(chapters: list[dict[str, Any]], seconds: float) -> str:
        """Return the table of contents. Replace this with a step that publishes the book."""
        lines = []
        for chapter in chapters:
            minutes, rest = divmod(int(chapter["StartSeconds"]), 60)
            lines.append(f"{minutes:02}:{rest:02} {chapter['Title']}")
        return "\n".join([*lines, f"Duration: {seconds / 60:.1f} minutes"])

    show_notes(book.output["Chapters"], book.output["DurationSeconds"])
    # [END howto_polly_audiobook]


example_polly_audiobook()
