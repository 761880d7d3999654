"""The example that turns a dialogue into one file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from tests.integration.batch_support import started_tasks
from tests.integration.example_dags import FOLDER, dags_in
from tests.unit.audio.id3_reader import read_tag

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_dialogue"
KEY = "dialogues/riddle.mp3"

pytestmark = pytest.mark.usefixtures("short_waits")


def test_dialogue_is_one_file_of_two_voices_and_a_second_run_costs_nothing(
    speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking_emulator.reset()
    bucket = speaking_emulator.bucket
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", bucket)
    dag = dags_in(FOLDER / f"{NAME}.py")[NAME]

    first, second = run_dag(dag), run_dag(dag)

    assert [run.state for run in (first, second)] == ["success"] * 2, second.output
    tasks = started_tasks(speaking_emulator)
    assert sorted(task["VoiceId"] for task in tasks) == ["Amy", "Brian", "Brian"]
    seconds = first.xcoms("riddle")["DurationSeconds"]
    billed = sum(task["RequestCharacters"] for task in tasks)
    assert first.xcoms("report")["return_value"] == f"{seconds:.1f} seconds, {billed} characters billed"
    assert second.xcoms("report")["return_value"] == f"{seconds:.1f} seconds, 0 characters billed"

    content = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    tag = read_tag(content)
    assert tag.texts["TIT2"] == "The riddle"
    assert len(tag.tree()) == 1
    # Decoded, because libsndfile estimates the length of an mp3 file whose bit rate varies.
    samples, rate = soundfile.read(io.BytesIO(content))
    assert len(samples) / rate == pytest.approx(seconds, abs=0.1)
