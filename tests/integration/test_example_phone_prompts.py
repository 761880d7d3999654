"""The example that makes the prompts of a phone system."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from tests.integration.dag_builder import START
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_phone_prompts"

pytestmark = pytest.mark.usefixtures("short_waits")


def test_prompts_are_wav_files_for_phones_and_a_second_run_costs_nothing(
    speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking_emulator.reset()
    bucket = speaking_emulator.bucket
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", bucket)
    dag = dags_in(FOLDER / f"{NAME}.py")[NAME]

    first, second = run_dag(dag), run_dag(dag)

    assert [run.state for run in (first, second)] == ["success"] * 2, second.output
    assert first.xcoms("report")["return_value"] > 100
    assert second.xcoms("report")["return_value"] == 0
    assert speaking_emulator.counters.calls(START, "ok") == 3
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["prompts/closed.wav", "prompts/greeting.wav", "prompts/menu.wav"]
    for key in keys:
        stored = s3.get_object(Bucket=bucket, Key=key)
        assert stored["ContentType"] == "audio/wav"
        with soundfile.SoundFile(io.BytesIO(stored["Body"].read())) as prompt:
            assert (prompt.format, prompt.subtype) == ("WAV", "ULAW")
            assert (prompt.samplerate, prompt.channels) == (8000, 1)
            assert prompt.frames > 8000
