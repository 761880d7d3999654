"""Kills the document operator at every request, and counts the synthesis tasks of each piece.

Run it with ``python -m benchmarks.documents.faults``. In each round, a process runs the first try of a
document of 20 pieces, and kills itself with SIGKILL before or after one of its requests to Polly or S3. A
second process runs the next try. In a last round, one piece fails instead. The emulator writes tones.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3

from airflow_polly_provider.emulator.testing import running_emulator
from benchmarks.documents.killed_try import AFTER, BEFORE, Kill, Try, run_try

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator

PIECES = 20
KEY = "books/zebras.mp3"
_START = "StartSpeechSynthesisTask"
_SECONDS = 300
_PRELOADED = ["airflow_polly_provider.emulator.testing", "benchmarks.documents.killed_try"]


class Round(NamedTuple):
    """The result of one round.

    :param what: what happened to the first try
    :param tasks: the number of synthesis tasks of all pieces
    :param most: the largest number of synthesis tasks of one piece
    :param pieces: the number of pieces that have synthesis tasks
    :param is_same: whether the file is the one that a document without a kill has
    :param objects: the number of objects in the bucket
    """

    what: str
    tasks: int
    most: int
    pieces: int
    is_same: bool
    objects: int


def _document() -> str:
    """Return a Markdown document of 20 chapters, each of which is one piece."""
    chapters = (f"# Part {number}\n\nZebra {number} juggles quietly." for number in range(PIECES))
    return "\n\n".join(chapters)


class Rounds:
    """Runs the rounds.

    :param emulator: the emulator
    :param folder: a folder for the document and the output of the processes
    """

    def __init__(self, emulator: RunningEmulator, folder: Path) -> None:
        self._emulator = emulator
        self._document = folder / "zebras.md"
        self._document.write_text(_document())
        self._log = folder / "log.txt"
        # A forked process needs no time for these imports.
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(_PRELOADED)
        self._polly = boto3.client("polly", **emulator.client_settings)  # type: ignore[call-overload]  # a mapping
        self._s3 = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # a mapping
        self._began = datetime.now(tz=UTC)
        self._new_run()
        self._requests = self._complete(1)
        self._whole = self._digest()

    def kills(self, *, every: int) -> Iterator[Round]:
        """Kill the first try before and after each of its requests, the seldom operations first.

        :param every: of each operation, kill only at every request of this number, the first and the last
        """
        for operation, count in reversed(Counter(self._requests).most_common()):
            for number in range(1, count + 1):
                if number % every and number not in (1, count):
                    continue
                for when in (BEFORE, AFTER):
                    # The number of status requests differs from try to try.
                    if self._is_killed(Kill(when, operation, number)):
                        self._complete(2)
                        yield self._result(f"{when} {operation} {number} of {count}")

    def failed_piece(self) -> Round:
        """Let one piece fail in the first try."""
        self._new_run()
        self._emulator.faults.add(_START, fail_task="The synthesis ran out of zebras", times=1)
        if self._run(1, None)[0] != 1 or "ran out of zebras" not in self._log.read_text():
            raise RuntimeError(self._end_of_log())
        self._complete(2)
        return self._result("one piece failed")

    def _new_run(self) -> None:
        self._emulator.reset()
        self._began = datetime.now(tz=UTC)

    def _is_killed(self, kill: Kill) -> bool:
        """Run the first try, and return whether it was killed. It was not if it has fewer requests."""
        self._new_run()
        code, requests = self._run(1, kill)
        if code == 0 and requests.count(kill.operation) < kill.number:
            return False
        if code != -signal.SIGKILL:
            raise RuntimeError(self._end_of_log())
        return True

    def _complete(self, number: int) -> list[str]:
        code, requests = self._run(number, None)
        if code:
            raise RuntimeError(self._end_of_log())
        return requests

    def _run(self, number: int, kill: Kill | None) -> tuple[int | None, list[str]]:
        """Run a try in a process of its own; return its exit code, and the names of its requests."""
        this = Try(
            bucket=self._emulator.bucket,
            key=KEY,
            document=str(self._document),
            began=self._began,
            number=number,
            log=str(self._log),
        )
        receiver, sender = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=run_try, args=(this, kill, sender))
        process.start()
        sender.close()
        process.join(_SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutError(self._end_of_log())
        requests = []
        with contextlib.suppress(EOFError):
            while True:
                requests.append(receiver.recv())
        return process.exitcode, requests

    def _result(self, what: str) -> Round:
        # The token in the key identifies the piece.
        pages = self._polly.get_paginator("list_speech_synthesis_tasks").paginate()
        uris = [task["OutputUri"] for page in pages for task in page["SynthesisTasks"]]
        tasks = Counter(uri.rpartition("/")[2].partition(".")[0] for uri in uris)
        objects = self._s3.list_objects_v2(Bucket=self._emulator.bucket)["KeyCount"]
        is_same = self._digest() == self._whole
        return Round(what, sum(tasks.values()), max(tasks.values()), len(tasks), is_same, objects)

    def _digest(self) -> str:
        stored: bytes = self._s3.get_object(Bucket=self._emulator.bucket, Key=KEY)["Body"].read()
        return hashlib.sha256(stored).hexdigest()

    def _end_of_log(self) -> str:
        return self._log.read_text()[-3000:]


def _shown(found: Round, *, extra: int = 0) -> bool:
    """Print a round, and return whether it is as expected: ``extra`` synthesis tasks more than pieces."""
    # The file, its manifest and its chapters.
    expected: tuple[object, ...] = (PIECES + extra, 1 + extra, PIECES, True, 3)
    is_right = found[1:] == expected
    print(*found, "" if is_right else "WRONG", sep="\t", flush=True)
    return is_right


def main() -> int:
    """Run the benchmark; the exit code is 1 if a piece was paid for twice, or a file differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents.faults", description=__doc__)
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help="kill at fewer requests: these, the first and the last of each operation",
    )
    given = parser.parse_args()
    os.environ["AIRFLOW__AWS_POLLY__START_LOOK_SECONDS"] = "1"
    os.environ["AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND"] = '{"standard": 200}'
    with (
        tempfile.TemporaryDirectory() as folder,
        running_emulator(audio="tone", scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator,
    ):
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = emulator.airflow_connection()
        rounds = Rounds(emulator, Path(folder))
        print("first try\tsynthesis tasks\tmost of one piece\tpieces\tsame file\tobjects")
        right = [_shown(each) for each in rounds.kills(every=given.every)]
        is_right = _shown(rounds.failed_piece(), extra=1)
    print(f"\n{len(right)} kills, {sum(right)} with exactly {PIECES} synthesis tasks and the same file")
    return 0 if all(right) and is_right else 1


if __name__ == "__main__":
    sys.exit(main())
