"""A document whose process is killed at any point is completed by the next try, and paid for once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.exceptions import PollyBatchError
from tests.integration.aws_clients import client_of
from tests.integration.batch_support import content, keys, starts
from tests.integration.conftest import prepare
from tests.integration.dag_builder import START
from tests.integration.document_support import KEY, book, paragraphs
from tests.integration.killed_document import context_of_run, operator
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.s3_calls import S3Calls

BOOK = book(paragraphs("one", 6), paragraphs("two", 6))
BESIDE = {KEY, f"{KEY}.manifest.json", f"{KEY}.chapters.json"}
_PROJECT = Path(__file__).parents[2]
_SECONDS = 120

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def polly(tone_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningEmulator]:
    prepare(tone_emulator, monkeypatch).reset()
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", '{"standard": 200, "neural": 200}')
    yield tone_emulator
    # A killed process leaves its upload. All emulators of this process share their buckets.
    bucket = tone_emulator.bucket
    with client_of(tone_emulator, "s3") as s3:
        for left in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=left["Key"], UploadId=left["UploadId"])


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "book.md"
    path.write_text(BOOK)
    return str(path)


def run_and_kill(
    polly: RunningEmulator, file: str, began: datetime, *killed: str, captions: str = ""
) -> None:
    """Run the first try in a process that kills itself."""
    command = [sys.executable, "-m", "tests.integration.killed_document", polly.bucket, file]
    done = subprocess.run(
        [*command, began.isoformat(), *killed, captions],
        cwd=_PROJECT,
        env={**os.environ, "AIRFLOW_CONN_AWS_DEFAULT": polly.airflow_connection()},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]


def assert_complete(polly: RunningEmulator, value: dict[str, Any], file: str) -> None:
    """Check that each piece was paid for once, and that the file is the one of a run without a kill."""
    assert starts(polly) == value["TotalPieces"] > 4
    assert (value["UnchangedPieces"], value["Unchanged"]) == (0, False)
    assert value["RequestCharacters"] == value["SpokenCharacters"]
    assert set(keys(polly)) == BESIDE
    whole = execute(operator(polly.bucket, file, output_s3_key="whole.mp3"), context(run_id="whole"))
    assert content(polly, value["OutputS3Uri"]) == content(polly, whole["OutputS3Uri"])
    assert value["Chapters"] == whole["Chapters"]


@pytest.mark.parametrize(
    ("when", "operation", "number"),
    [
        ("after", "s3.PutObject", 1),
        ("after", "polly.StartSpeechSynthesisTask", 3),
        ("before", "s3.CompleteMultipartUpload", 1),
        ("after", "s3.CompleteMultipartUpload", 1),
        ("before", "s3.DeleteObjects", 1),
        ("after", "s3.DeleteObjects", 1),
    ],
)
def test_next_try_completes_the_document(
    polly: RunningEmulator, file: str, when: str, operation: str, number: int
) -> None:
    began = datetime.now(tz=UTC)
    run_and_kill(polly, file, began, when, operation, str(number))

    value = execute(operator(polly.bucket, file), context_of_run(began, try_number=2))

    assert_complete(polly, value, file)


@pytest.mark.parametrize(
    ("when", "operation", "number"),
    [
        ("after", "polly.StartSpeechSynthesisTask", 3),
        # The marks are complete; the audio is complete; the captions replace the previous ones.
        ("after", "s3.CompleteMultipartUpload", 1),
        ("after", "s3.CompleteMultipartUpload", 2),
        ("before", "s3.DeleteObject", 1),
    ],
)
def test_next_try_completes_the_captions(
    polly: RunningEmulator, file: str, tmp_path: Path, when: str, operation: str, number: int
) -> None:
    """An edit of a document with captions: nothing is paid twice, and no other object remains."""
    execute(operator(polly.bucket, file, captions=["vtt"]), context(run_id="first"))
    before = starts(polly)
    Path(file).write_text(BOOK.replace("Zebra number 2 of", "Zebra number two of"))
    began = datetime.now(tz=UTC)
    run_and_kill(polly, file, began, when, operation, str(number), captions="vtt")

    value = execute(operator(polly.bucket, file, captions=["vtt"]), context_of_run(began, try_number=2))

    # One piece of each chapter changed, and its marks.
    assert starts(polly) == before + 4
    marks = value["SpeechMarksS3Uri"].removeprefix(f"s3://{polly.bucket}/")
    assert set(keys(polly)) == BESIDE | {f"{KEY}.vtt", marks}
    changes = {"captions": ["vtt"], "output_s3_key": "whole.mp3"}
    whole = execute(operator(polly.bucket, file, **changes), context(run_id="whole"))
    for uri in ("OutputS3Uri", "SpeechMarksS3Uri"):
        assert content(polly, value[uri]) == content(polly, whole[uri])
    captions = [content(polly, each["CaptionsS3Uris"]["vtt"]) for each in (value, whole)]
    assert captions[0] == captions[1]


def test_retry_starts_only_the_failed_piece(polly: RunningEmulator, file: str) -> None:
    """A piece that fails once is started twice, and the others once."""
    polly.faults.add(START, fail_task="The synthesis ran out of zebras", times=1)

    with pytest.raises(PollyBatchError, match=r"piece [0-9]+ .'Part [12]'.: .*ran out of zebras"):
        execute(operator(polly.bucket, file), context())
    assert KEY not in keys(polly)
    value = execute(operator(polly.bucket, file), context(try_number=2))

    assert starts(polly) == value["TotalPieces"] + 1
    assert set(keys(polly)) == BESIDE


def test_cleared_task_pays_nothing_again_if_only_the_joining_failed(
    polly: RunningEmulator, file: str, s3_calls: S3Calls
) -> None:
    """All pieces are synthesized; after the permission is corrected, the task is cleared."""
    s3_calls.denied.add("CreateMultipartUpload")
    with pytest.raises(Exception, match=r"s3:PutObject on output_s3_key"):
        execute(operator(polly.bucket, file), context())
    s3_calls.denied.clear()

    value = execute(operator(polly.bucket, file), context(try_number=2, max_tries=1))

    assert_complete(polly, value, file)
