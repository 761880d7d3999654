"""Measures a document of 1,000,000 characters: ``.venv/bin/python -m benchmarks.documents.throughput``.

The emulator has Polly's default quotas. Each piece is in progress for the same time, and all pieces have the
same audio, because encoding it would take longer than Polly takes. The operator waits in this process.

The time is compared with the least possible time: starting all pieces at the quota, then synthesizing the
last one, then joining the file as fast as it was joined in the run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from airflow_polly_provider.assembly.run import DocumentRun
from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from benchmarks.batch.audio import same_audio
from benchmarks.documents.books import book
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEDULED_SECONDS = 1.0


class JoinTime:
    """Measures how long the joining takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._join = DocumentRun.join

    def join(self, run: DocumentRun, *arguments: Any) -> None:
        """Join the file, and note the time."""
        began = time.monotonic()
        self._join(run, *arguments)
        self.seconds = time.monotonic() - began


def measured(document: Path, bucket: str) -> Iterator[tuple[str, float]]:
    """Run the operator, and yield the figures."""
    operator = PollySynthesizeDocumentOperator(
        task_id="speak",
        document=str(document),
        voice_id="Amy",
        output_s3_bucket_name=bucket,
        output_s3_key="book.mp3",
        deferrable=False,
    )
    times = JoinTime()
    with mock.patch.object(DocumentRun, "join", lambda *arguments: times.join(*arguments)):
        began = time.monotonic()
        value = execute(operator, context())
        seconds = time.monotonic() - began
    yield "pieces", value["TotalPieces"]
    yield "characters", value["RequestCharacters"]
    yield "hours of audio", value["DurationSeconds"] / 3600
    yield "seconds", seconds
    yield "seconds of joining", times.seconds


def main() -> None:
    """Measure the document, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each piece is in progress")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        same_audio(),
        running_emulator(
            audio="tone",
            quotas=AWS_QUOTAS,
            scheduled_seconds=SCHEDULED_SECONDS,
            in_progress_seconds=given.seconds,
        ) as emulator,
    ):
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = emulator.airflow_connection()
        document = Path(folder, "book.txt")
        document.write_text(book(given.characters, seed=1))
        found = dict(measured(document, emulator.bucket))
    rate, _ = AWS_QUOTAS["start.standard"]
    found["seconds of starts at the quota"] = found["pieces"] / rate
    found["seconds of a piece"] = SCHEDULED_SECONDS + given.seconds
    least = sum(value for name, value in found.items() if name.startswith("seconds of"))
    found["seconds / least seconds"] = found["seconds"] / least
    print("\n| figure | value |\n| --- | --- |")
    for name, value in found.items():
        print(f"| {name} | {value:,.2f} |" if value % 1 else f"| {name} | {value:,.0f} |")


if __name__ == "__main__":
    main()
