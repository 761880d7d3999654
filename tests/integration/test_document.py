"""The document operator in whole DAGs against the emulator: the file, its chapters, reuse, checks."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.results.document import DOCUMENT_XCOM_KEYS
from tests.integration.aws_clients import client_of
from tests.integration.batch_support import content, keys, started_tasks, starts
from tests.integration.dag_builder import START, each_waiting_mode
from tests.integration.dag_runs import EMULATOR_CONNECTION
from tests.integration.document_support import (
    KEY,
    TASK,
    book,
    document_dag,
    paragraphs,
)

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag
    from tests.integration.s3_calls import S3Calls

BOOK = book(paragraphs("one", 4), paragraphs("two", 3))
BESIDE = {KEY, f"{KEY}.manifest.json", f"{KEY}.chapters.json"}

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def book_file(tmp_path: Any) -> str:
    """Return the path of the book on the worker."""
    path = tmp_path / "book.md"
    path.write_text(BOOK)
    return str(path)


def result_of(run: FinishedRun) -> dict[str, Any]:
    """Return the result of a document, and check that its task succeeded."""
    assert run.task(TASK) == ("success", 1), run.output
    value: dict[str, Any] = run.xcoms(TASK)["return_value"]
    return value


def seconds_of(data: bytes) -> float:
    """Return the duration that an independent decoder finds in an audio file."""
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(io.BytesIO(data))
    return float(len(samples) / rate)


@each_waiting_mode
def test_makes_one_file_with_chapters(
    polly: RunningEmulator, run_dag: RunDag, book_file: str, mode: dict[str, Any]
) -> None:
    """The result describes the file; the pieces and the manifest of their batch are removed."""
    run = run_dag(document_dag(polly, document=book_file, title="Zebras", author="A. Reader", **mode))
    value = result_of(run)
    assert run.xcoms(TASK) == {
        **{key: value[key] for key in DOCUMENT_XCOM_KEYS if key in value},
        "AwsConnection": EMULATOR_CONNECTION,
        "return_value": value,
    }
    assert [chapter["Title"] for chapter in value["Chapters"]] == ["Part 1", "Part 2"]
    assert value["TotalPieces"] == starts(polly) > 2
    assert value["RequestCharacters"] == sum(task["RequestCharacters"] for task in started_tasks(polly))
    assert set(keys(polly)) == BESIDE
    data = content(polly, value["OutputS3Uri"])
    assert data.startswith(b"ID3\x04")
    assert b"Part 2" in data[:1000]
    assert seconds_of(data) == pytest.approx(value["DurationSeconds"], abs=0.1)
    second = value["Chapters"][1]
    assert second["StartSeconds"] + second["DurationSeconds"] == pytest.approx(
        value["DurationSeconds"], abs=0.01
    )
    chapters = json.loads(content(polly, value["ChaptersS3Uri"]))
    assert [chapter["title"] for chapter in chapters["chapters"]] == ["Part 1", "Part 2"]


def test_unchanged_document_costs_nothing(
    polly: RunningEmulator, run_dag: RunDag, book_file: str, s3_calls: S3Calls
) -> None:
    """A second run of the same document sends no start, writes no file and deletes nothing."""
    first = result_of(run_dag(document_dag(polly, document=book_file)))
    before = content(polly, first["OutputS3Uri"])
    s3_calls.names.clear()
    second = result_of(run_dag(document_dag(polly, document=book_file)))
    assert set(s3_calls.names) == {"GetObject", "HeadObject"}
    assert starts(polly) == first["TotalPieces"]
    assert (second["Unchanged"], second["RequestCharacters"]) == (True, 0)
    assert second["Chapters"] == first["Chapters"]
    assert content(polly, second["OutputS3Uri"]) == before


def test_only_changed_pieces_are_synthesized(
    polly: RunningEmulator, run_dag: RunDag, book_file: str, tmp_path: Any
) -> None:
    """After an edit, the file is the same as one that is made from nothing."""
    first = result_of(run_dag(document_dag(polly, document=book_file)))
    edited = tmp_path / "edited.md"
    edited.write_text(BOOK.replace("Zebra number 2 of one", "Zebra number two of one"))
    second = result_of(run_dag(document_dag(polly, document=str(edited))))
    assert starts(polly) - first["TotalPieces"] == second["TotalPieces"] - second["UnchangedPieces"] == 1
    assert second["RequestCharacters"] < first["RequestCharacters"] / 2
    assert set(keys(polly)) == BESIDE
    whole = result_of(run_dag(document_dag(polly, document=str(edited), output_s3_key="whole.mp3")))
    assert content(polly, second["OutputS3Uri"]) == content(polly, whole["OutputS3Uri"])


def test_changed_file_is_not_reused(polly: RunningEmulator, run_dag: RunDag, book_file: str) -> None:
    """If something else wrote the file, the task stops before anything is billed."""
    first = result_of(run_dag(document_dag(polly, document=book_file)))
    with client_of(polly, "s3") as s3:
        s3.put_object(Bucket=polly.bucket, Key=KEY, Body=b"other")
    run = run_dag(document_dag(polly, document=book_file))
    assert run.task(TASK) == ("failed", 1)
    assert "would have to be paid for again" in run.output
    assert starts(polly) == first["TotalPieces"]
    third = result_of(run_dag(document_dag(polly, document=book_file, reuse="never")))
    assert starts(polly) == 2 * first["TotalPieces"]
    assert third["Unchanged"] is False


def test_dialogue_has_two_voices_and_pauses(polly: RunningEmulator, run_dag: RunDag) -> None:
    """Each turn is spoken by its voice, followed by its pause."""
    turns: list[dict[str, Any]] = [
        {"voice_id": "Amy", "text": "Do zebras juggle?", "pause": 2.0},
        {"voice_id": "Brian", "text": "They do. Quietly."},
    ]
    value = result_of(run_dag(document_dag(polly, turns=turns, voice_id=None)))
    without = [{**turn, "pause": 0} for turn in turns]
    other = result_of(run_dag(document_dag(polly, turns=without, voice_id=None, output_s3_key="other.mp3")))
    assert sorted(task["VoiceId"] for task in started_tasks(polly)) == ["Amy", "Amy", "Brian", "Brian"]
    assert value["TotalPieces"] == 2
    assert value["DurationSeconds"] - other["DurationSeconds"] == pytest.approx(2.0, abs=0.02)


def test_wav_file(polly: RunningEmulator, run_dag: RunDag, book_file: str) -> None:
    """Raw samples are joined into one WAV file."""
    value = result_of(
        run_dag(document_dag(polly, document=book_file, output_format="pcm", output_container="wav"))
    )
    data = content(polly, value["OutputS3Uri"])
    assert data.startswith(b"RIFF")
    assert seconds_of(data) == pytest.approx(value["DurationSeconds"], abs=0.001)


def test_dry_run_sends_no_start(polly: RunningEmulator, run_dag: RunDag, book_file: str) -> None:
    """A dry run reports what would be billed, and writes nothing."""
    value = result_of(run_dag(document_dag(polly, document=book_file, dry_run=True)))
    assert (value["DryRun"], polly.counters.calls(START), keys(polly)) == (True, 0, [])
    assert value["RequestCharacters"] == value["SpokenCharacters"] > len(BOOK) / 2
