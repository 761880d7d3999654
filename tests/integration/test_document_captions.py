"""Captions of the document operator in whole DAGs against the emulator: files, reuse, cost, errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.captions.layout import CueLayout
from tests.integration.aws_clients import client_of
from tests.integration.batch_support import content, keys, started_tasks, starts
from tests.integration.dag_builder import each_waiting_mode
from tests.integration.document_support import KEY, TASK, book, document_dag, paragraphs

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

CHAPTERS = (paragraphs("one", 4), paragraphs("two", 3))
FORMATS = ("vtt", "srt", "json")
CAPTIONS = {f"{KEY}.vtt", f"{KEY}.srt", f"{KEY}.transcript.json"}
BESIDE = {KEY, f"{KEY}.manifest.json", f"{KEY}.chapters.json"}

pytestmark = pytest.mark.usefixtures("short_waits")


def result_of(run: FinishedRun) -> dict[str, Any]:
    """Return the result of a document, and check that its task succeeded."""
    assert run.task(TASK) == ("success", 1), run.output
    value: dict[str, Any] = run.xcoms(TASK)["return_value"]
    return value


def marks_of(polly: RunningEmulator, value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the speech marks of the joined file."""
    return [json.loads(line) for line in content(polly, value["SpeechMarksS3Uri"]).splitlines()]


def words_of(transcript: bytes) -> list[tuple[float, str]]:
    """Return the start and the text of each word in a transcript."""
    return [
        (word["startTime"], word["body"])
        for segment in json.loads(transcript)["segments"]
        for word in segment["words"]
    ]


@each_waiting_mode
def test_writes_captions_of_the_whole_file(
    polly: RunningEmulator, run_dag: RunDag, tmp_path: Any, mode: dict[str, Any]
) -> None:
    """The marks of each piece are synthesized once, and moved to the place of the piece in the file."""
    path = tmp_path / "book.md"
    path.write_text(book(*CHAPTERS))
    run = run_dag(document_dag(polly, document=str(path), captions=FORMATS, **mode))
    value = result_of(run)
    tasks = started_tasks(polly)
    assert len(tasks) == 2 * value["TotalPieces"]
    assert value["RequestCharacters"] == sum(task["RequestCharacters"] for task in tasks)
    assert value["RequestCharacters"] == 2 * value["SpokenCharacters"]
    assert run.xcoms(TASK)["CaptionsS3Uris"] == value["CaptionsS3Uris"]
    assert {uri.rsplit("/", 1)[0] for uri in value["CaptionsS3Uris"].values()} == {
        f"s3://{polly.bucket}/books"
    }
    marks_key = value["SpeechMarksS3Uri"].removeprefix(f"s3://{polly.bucket}/")
    assert set(keys(polly)) == BESIDE | CAPTIONS | {marks_key}
    words = words_of(content(polly, value["CaptionsS3Uris"]["json"]))
    spoken = [word for _, word in words]
    assert spoken.count("Zebra") == 7
    # The second chapter begins with its heading.
    second = value["Chapters"][1]["StartSeconds"]
    at = next(start for start, word in words[spoken.index("two") :] if word == "two")
    first_of_second = next(start for start, _ in words if start >= second - 0.001)
    assert first_of_second == pytest.approx(second, abs=0.2)
    assert at > second
    assert content(polly, value["CaptionsS3Uris"]["vtt"]).startswith(b"WEBVTT")
    assert content(polly, value["CaptionsS3Uris"]["srt"]).startswith(b"1\n00:00:00,")


def test_marks_agree_with_the_pieces(polly: RunningEmulator, run_dag: RunDag) -> None:
    """Each mark has the time of its piece, and its offsets point into the texts of the pieces."""
    text = "\n\n".join(CHAPTERS).replace("quietly", "tränenreich")
    value = result_of(run_dag(document_dag(polly, document=text, text_type="text", captions=["json"])))
    marks = marks_of(polly, value)
    assert len(marks) > 7 * 5
    assert [mark["time"] for mark in marks] == sorted(mark["time"] for mark in marks)
    source = text.encode()
    for mark in marks:
        assert source[mark["start"] : mark["end"]].decode() == mark["value"]


def test_unchanged_marks_are_not_paid_again(polly: RunningEmulator, run_dag: RunDag, tmp_path: Any) -> None:
    """After an edit, the captions are the same as those of a document that is made from nothing."""
    path = tmp_path / "book.md"
    path.write_text(book(*CHAPTERS))
    first = result_of(run_dag(document_dag(polly, document=str(path), captions=FORMATS)))
    path.write_text(book(*CHAPTERS).replace("Zebra number 2 of one", "Zebra number two of one"))
    before = starts(polly)
    second = result_of(run_dag(document_dag(polly, document=str(path), captions=FORMATS)))
    assert starts(polly) - before == 2
    assert second["RequestCharacters"] < first["RequestCharacters"] / 2
    assert first["SpeechMarksS3Uri"].rpartition("/")[2] not in {key.rpartition("/")[2] for key in keys(polly)}
    again = result_of(
        run_dag(document_dag(polly, document=str(path), captions=FORMATS, output_s3_key="b.mp3"))
    )
    assert marks_of(polly, second) == marks_of(polly, again)
    for name in FORMATS:
        uris = second["CaptionsS3Uris"][name], again["CaptionsS3Uris"][name]
        assert content(polly, uris[0]) == content(polly, uris[1])


def test_adding_captions_pays_only_for_marks(polly: RunningEmulator, run_dag: RunDag) -> None:
    """The audio of the existing file is used; removing captions later removes the files."""
    text = paragraphs("one", 4)
    first = result_of(run_dag(document_dag(polly, document=text)))
    second = result_of(run_dag(document_dag(polly, document=text, captions=["vtt", "srt"])))
    assert starts(polly) == 2 * first["TotalPieces"]
    assert {task["OutputFormat"] for task in started_tasks(polly)[first["TotalPieces"] :]} == {"json"}
    assert second["UnchangedPieces"] == first["TotalPieces"]
    assert second["RequestCharacters"] == first["RequestCharacters"]
    third = result_of(run_dag(document_dag(polly, document=text, captions=["vtt", "srt"])))
    assert (third["Unchanged"], third["CaptionsS3Uris"]) == (True, second["CaptionsS3Uris"])
    fourth = result_of(run_dag(document_dag(polly, document=text, captions=["srt"])))
    assert fourth["RequestCharacters"] == 0
    assert f"{KEY}.vtt" not in keys(polly)
    result_of(run_dag(document_dag(polly, document=text)))
    assert set(keys(polly)) == BESIDE


def test_another_layout_writes_the_captions_again(polly: RunningEmulator, run_dag: RunDag) -> None:
    """The layout belongs to the document: a change costs nothing, but is not ignored."""
    text = paragraphs("one", 4)
    first = result_of(run_dag(document_dag(polly, document=text, captions=["srt"])))
    before = content(polly, first["CaptionsS3Uris"]["srt"])
    narrow = CueLayout(max_line_characters=16)
    second = result_of(run_dag(document_dag(polly, document=text, captions=["srt"], caption_layout=narrow)))
    after = content(polly, second["CaptionsS3Uris"]["srt"])
    assert (second["RequestCharacters"], second["Unchanged"]) == (0, False)
    assert max(map(len, after.decode().splitlines())) < max(map(len, before.decode().splitlines()))


def test_without_the_marks_nothing_is_paid(polly: RunningEmulator, run_dag: RunDag) -> None:
    """The error says what would have to be paid again, and its advice works."""
    text = paragraphs("one", 4)
    first = result_of(run_dag(document_dag(polly, document=text, captions=["vtt"])))
    bucket, _, key = first["SpeechMarksS3Uri"].removeprefix("s3://").partition("/")
    with client_of(polly, "s3") as s3:
        s3.delete_object(Bucket=bucket, Key=key)
    before = starts(polly)
    run = run_dag(document_dag(polly, document=text + " New.", captions=["vtt"]))
    assert run.task(TASK)[0] == "failed"
    assert f"{key} no longer exists, so the speech marks of" in run.output
    assert starts(polly) == before
    result_of(run_dag(document_dag(polly, document=text)))
    result_of(run_dag(document_dag(polly, document=text, captions=["vtt"])))
    assert starts(polly) == before + first["TotalPieces"]


def test_dry_run_and_limit_include_the_marks(polly: RunningEmulator, run_dag: RunDag) -> None:
    """Both count what Polly bills: each character twice."""
    text = paragraphs("one", 4)
    value = result_of(run_dag(document_dag(polly, document=text, captions=["vtt"], dry_run=True)))
    assert value["RequestCharacters"] == 2 * value["SpokenCharacters"]
    limit = value["RequestCharacters"] - 1
    run = run_dag(document_dag(polly, document=text, captions=["vtt"], max_request_characters=limit))
    assert run.task(TASK)[0] == "failed"
    assert f"and the speech marks of {value['TotalPieces']} pieces" in run.output
    assert starts(polly) == 0


def test_generative_voices_are_refused(polly: RunningEmulator, run_dag: RunDag) -> None:
    """They have no speech marks; nothing is sent."""
    text = paragraphs("one", 1)
    run = run_dag(document_dag(polly, document=text, captions=["vtt"], voice_id="Ruth", engine="generative"))
    assert run.task(TASK)[0] == "failed"
    assert "the voices of engine 'generative' have none" in run.output
    assert starts(polly) == 0


def test_dialogue_has_captions(polly: RunningEmulator, run_dag: RunDag) -> None:
    """The marks of each turn are spoken by the voice of the turn."""
    turns = [
        {"voice_id": "Amy", "text": "Good morning."},
        {"voice_id": "Brian", "text": "<speak>Tea?</speak>", "text_type": "ssml"},
    ]
    value = result_of(run_dag(document_dag(polly, turns=turns, voice_id=None, captions=["json"])))
    assert sorted((task["VoiceId"], task["OutputFormat"]) for task in started_tasks(polly)) == [
        ("Amy", "json"),
        ("Amy", "mp3"),
        ("Brian", "json"),
        ("Brian", "mp3"),
    ]
    words = [word for _, word in words_of(content(polly, value["CaptionsS3Uris"]["json"]))]
    assert [word.strip(".?") for word in words] == ["Good", "morning", "Tea"]
