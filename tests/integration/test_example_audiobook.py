"""The example that turns a book into one file with chapters."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from tests.integration.dag_builder import START
from tests.integration.example_dags import FOLDER, dags_in
from tests.unit.audio.id3_reader import read_tag

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_audiobook"
KEY = "books/book.mp3"
TITLES = ["Chapter 1. Down the Rabbit-Hole", "Chapter 2. The Pool of Tears"]

pytestmark = pytest.mark.usefixtures("short_waits")


def test_book_is_one_file_with_chapters_and_a_second_run_costs_nothing(
    speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking_emulator.reset()
    bucket = speaking_emulator.bucket
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", bucket)
    dag = dags_in(FOLDER / f"{NAME}.py")[NAME]

    first, second = run_dag(dag), run_dag(dag)

    assert [run.state for run in (first, second)] == ["success"] * 2, second.output
    assert speaking_emulator.counters.calls(START, "ok") == 2
    spoken, again = (run.xcoms("book") for run in (first, second))
    assert spoken["RequestCharacters"] > 2000
    assert (again["Unchanged"], again["RequestCharacters"]) == (True, 0)
    assert again["Chapters"] == spoken["Chapters"]

    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == [KEY, f"{KEY}.chapters.json", f"{KEY}.manifest.json"]
    content = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    tag = read_tag(content)
    assert tag.tree() == TITLES
    assert tag.texts["TIT2"].endswith("Adventures in Wonderland")
    assert tag.texts["TPE1"] == "Lewis Carroll"
    # Decoded, because libsndfile estimates the length of an mp3 file whose bit rate varies.
    samples, rate = soundfile.read(io.BytesIO(content))
    assert len(samples) / rate == pytest.approx(spoken["DurationSeconds"], abs=0.1)
    podcast = json.loads(s3.get_object(Bucket=bucket, Key=f"{KEY}.chapters.json")["Body"].read())
    assert [chapter["title"] for chapter in podcast["chapters"]] == TITLES


def test_show_notes_list_the_chapters_with_their_times(
    speaking_emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", speaking_emulator.bucket)
    run = run_dag(dags_in(FOLDER / f"{NAME}.py")[NAME])

    assert run.state == "success", run.output
    start = int(run.xcoms("book")["Chapters"][1]["StartSeconds"])
    minutes = run.xcoms("book")["DurationSeconds"] / 60
    assert run.xcoms("show_notes")["return_value"].splitlines() == [
        f"00:00 {TITLES[0]}",
        f"{start // 60:02}:{start % 60:02} {TITLES[1]}",
        f"Duration: {minutes:.1f} minutes",
    ]
