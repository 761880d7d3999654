"""The code that the README and the guides show, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from airflow.providers.common.compat.sdk import task

from airflow_polly_provider.hooks.polly import PollyHook

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from airflow.providers.common.compat.sdk import DAG

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BUCKET = "my-audio"


def code_in(page: Path) -> str:
    (source,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return str(source)


def test_the_readmes_dag_runs_as_it_stands_there(
    emulator: RunningEmulator, run_dag: Callable[[DAG], FinishedRun]
) -> None:
    source = code_in(README)
    s3: Any = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # settings by name
    s3.create_bucket(Bucket=BUCKET)
    names: dict[str, Any] = {}
    exec(compile(source, str(README), "exec"), names)

    finished = run_dag(names["announcement"]())

    assert finished.state == "success", finished.output
    pushed = finished.xcoms("speech")
    assert pushed["TaskStatus"] == "completed"
    assert f"{pushed['OutputS3Uri']}: {pushed['RequestCharacters']} characters billed" in finished.output
    key = pushed["OutputS3Uri"].removeprefix(f"s3://{BUCKET}/")
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] > 0
    s3.close()


def test_the_first_dags_page_fetches_the_audio(
    emulator: RunningEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3: Any = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]  # settings by name
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="announcements/spoken.mp3", Body=b"mp3")
    s3.close()
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "first-dag.md"
    source = code_in(page).replace("http://127.0.0.1:4566", emulator.endpoint_url)
    names: dict[str, Any] = {}

    exec(compile(source, str(page), "exec"), names)

    names["s3"].meta.client.close()
    assert (tmp_path / "spoken.mp3").read_bytes() == b"mp3"


def test_the_hooks_guide_lists_voices(emulator: RunningEmulator) -> None:
    names: dict[str, Any] = {"task": task, "PollyHook": PollyHook}
    exec(compile(code_in(ROOT / "docs" / "guides" / "hook.md"), "hook.md", "exec"), names)

    assert "Amy" in names["voices"].function()
