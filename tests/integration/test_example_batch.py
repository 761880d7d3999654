"""The example that makes many prompts with one task."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from tests.integration.dag_builder import START
from tests.integration.example_dags import FOLDER, dags_in
from tests.unit.support import NEWER_FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_batch"
CHANGED = {"greeting": "Thank you for calling.", "closed": "We are closed.", "digit-9": "Niner."}

pytestmark = [
    pytest.mark.usefixtures("short_waits"),
    pytest.mark.skipif("mulaw" in NEWER_FORMATS, reason="the installed botocore does not support mulaw"),
]


def change_prompts(path: Path) -> None:
    """Give three prompts in a copy of the example's file other texts."""
    lines = path.read_text().splitlines()
    for name, text in CHANGED.items():
        (number,) = (number for number, line in enumerate(lines) if line.startswith(f"{name},"))
        lines[number] = f"{name},{text},phone/{name}.wav"
    path.write_text("\n".join(lines) + "\n")


def test_second_run_synthesizes_only_the_prompts_that_have_changed(
    speaking_emulator: RunningEmulator,
    run_dag: RunDag,
    s3: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    speaking_emulator.reset()
    bucket = speaking_emulator.bucket
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", bucket)
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", '{"standard": 100}')
    shutil.copy(FOLDER / f"{NAME}.py", tmp_path)
    shutil.copytree(FOLDER / "prompts", tmp_path / "prompts")
    dag = dags_in(tmp_path / f"{NAME}.py")[NAME]

    first = run_dag(dag)
    assert first.state == "success", first.output
    assert speaking_emulator.counters.calls(START, "ok") == 60
    before = files_in(s3, bucket)

    speaking_emulator.counters.reset()
    change_prompts(tmp_path / "prompts" / "library.csv")
    second = run_dag(dag)
    assert second.state == "success", second.output
    assert speaking_emulator.counters.calls(START, "ok") == 3

    after = files_in(s3, bucket)
    assert len(after) == 60
    assert {key for key in after if after[key] != before[key]} == {f"phone/{name}.wav" for name in CHANGED}
    for content in after.values():
        with soundfile.SoundFile(io.BytesIO(content)) as prompt:
            assert (prompt.format, prompt.subtype) == ("WAV", "ULAW")
            assert (prompt.samplerate, prompt.channels) == (8000, 1)
            assert prompt.frames > 1000
    totals = second.xcoms("prompts")["return_value"]
    assert tuple(totals[f"{name}Items"] for name in ("Completed", "Unchanged", "Failed")) == (60, 57, 0)
    billed = sum(map(len, CHANGED.values()))
    assert second.xcoms("report")["return_value"] == f"{billed} characters billed, 57 prompts unchanged"
    published = [second.xcoms("publish", index)["return_value"] for index in range(3)]
    assert published == [f"{name}: s3://{bucket}/phone/{name}.wav" for name in CHANGED]


def files_in(s3: Any, bucket: str) -> dict[str, bytes]:
    """Return the content of each prompt by its key."""
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="phone/")["Contents"]
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}
