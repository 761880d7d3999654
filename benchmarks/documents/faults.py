"""Kills the document operator at every request, and counts the synthesis tasks of each piece.

Run it with ``python -m benchmarks.documents.faults``. In each round, a process runs the first try of
a document of 20 pieces, and kills itself with SIGKILL before or after one of its requests to Polly or S3. A
second process runs the next try. The rounds end when a first try has no more requests. The emulator writes
tones.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

from airflow_polly_provider.emulator.testing import running_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator

PIECES = 20
KEY = "books/zebras.mp3"
_SECONDS = 300
_PROJECT = Path(__file__).parents[2]


class Round(NamedTuple):
    """The result of one round.

    :param when: ``before`` or ``after`` the request
    :param request: the service and the operation, and how often the try had sent it before
    :param tasks: the number of synthesis tasks of all pieces
    :param most: the largest number of synthesis tasks of one piece
    :param is_same: whether the file is the one that a document without a kill has
    """

    when: str
    request: str
    tasks: int
    most: int
    is_same: bool


def _document() -> str:
    """Return a Markdown document of 20 chapters, each of which is one piece."""
    chapters = (f"# Part {number}\n\nZebra {number} juggles quietly." for number in range(PIECES))
    return "\n\n".join(chapters)


def _run(
    emulator: RunningEmulator, document: Path, began: str, *, kill: tuple[str, int] | None, try_number: int
) -> subprocess.CompletedProcess[str]:
    """Run one try in a process of its own."""
    when, number = kill or ("never", 0)
    command = [sys.executable, "-m", "benchmarks.documents.killed_try", emulator.bucket, str(document)]
    return subprocess.run(
        [*command, began, str(try_number), when, str(number)],
        cwd=_PROJECT,
        env={
            **os.environ,
            "AIRFLOW_CONN_AWS_DEFAULT": emulator.airflow_connection(),
            "AIRFLOW__AWS_POLLY__START_LOOK_SECONDS": "1",
        },
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _tasks(client: Any) -> Counter[str]:
    """Return the number of synthesis tasks for each piece, which the token in the key identifies."""
    pages = client.get_paginator("list_speech_synthesis_tasks").paginate()
    uris = [task["OutputUri"] for page in pages for task in page["SynthesisTasks"]]
    return Counter(uri.rpartition("/")[2].partition(".")[0] for uri in uris)


def rounds(emulator: RunningEmulator, document: Path, *, every: int) -> Iterator[Round]:
    """Run the rounds.

    :param emulator: the emulator
    :param document: the path of the document
    :param every: kill only at every request of this number
    """
    polly = boto3.client("polly", **emulator.client_settings)  # type: ignore[call-overload]  # a mapping
    s3 = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # a mapping

    def digest() -> str:
        stored: bytes = s3.get_object(Bucket=emulator.bucket, Key=KEY)["Body"].read()
        return hashlib.sha256(stored).hexdigest()

    emulator.reset()
    done = _run(emulator, document, datetime.now(tz=UTC).isoformat(), kill=None, try_number=1)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    whole = digest()
    for when in ("before", "after"):
        number = 1
        while True:
            emulator.reset()
            began = datetime.now(tz=UTC).isoformat()
            killed = _run(emulator, document, began, kill=(when, number), try_number=1)
            if killed.returncode == 0:
                break
            if killed.returncode != -signal.SIGKILL:
                raise RuntimeError(killed.stderr[-3000:])
            done = _run(emulator, document, began, kill=None, try_number=2)
            if done.returncode:
                raise RuntimeError(done.stderr[-3000:])
            tasks = _tasks(polly)
            request = killed.stdout.strip().splitlines()[-1]
            yield Round(when, request, sum(tasks.values()), max(tasks.values()), digest() == whole)
            number += every


def main() -> int:
    """Run the benchmark; the exit code is 1 if a piece was paid for twice, or a file differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents.faults", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="kill only at every request of this number")
    given = parser.parse_args()
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_emulator(audio="tone", scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator,
    ):
        document = Path(folder, "zebras.md")
        document.write_text(_document())
        for each in rounds(emulator, document, every=given.every):
            found.append(each)
            print(*each, flush=True)
    wrong = [each for each in found if (each.tasks, each.most, each.is_same) != (PIECES, 1, True)]
    right = len(found) - len(wrong)
    print(f"\n{len(found)} kills, {right} with exactly {PIECES} synthesis tasks and the same file")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
