"""The code in the README and the guides runs without changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator as StartOperator
from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.dag_builder import new_dag

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BUCKET = "my-audio"


def code_in(page: Path) -> str:
    (source,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return str(source)


def test_readme_dag_runs_unchanged(speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any) -> None:
    """On Airflow 2, the test uses the import from the comment."""
    source = code_in(README)
    if AIRFLOW_MAJOR < 3:
        source = re.sub(r"^from airflow\.sdk .*# Airflow 2: (.+)$", r"\1", source, flags=re.MULTILINE)
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


def test_first_dag_page_downloads_the_audio(
    speaking_emulator: RunningEmulator, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="announcements/spoken.mp3", Body=b"mp3")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "first-dag.md"
    source = code_in(page).replace("http://127.0.0.1:4566", speaking_emulator.endpoint_url)
    names: dict[str, Any] = {}

    exec(compile(source, str(page), "exec"), names)

    names["s3"].meta.client.close()
    assert (tmp_path / "spoken.mp3").read_bytes() == b"mp3"


@pytest.mark.parametrize("text", ["secret.txt", "{{ 7*7 }}"])
def test_start_guide_speaks_an_untrusted_text_literally(
    emulator: RunningEmulator, run_dag: RunDag, s3: Any, text: str
) -> None:
    s3.create_bucket(Bucket=BUCKET)
    guide = (ROOT / "docs" / "guides" / "start.md").read_text()
    section = guide.partition("## Text that others supply\n")[2].partition("\n## ")[0]
    operator, function = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {"task": task, "PollyStartSpeechSynthesisTaskOperator": StartOperator}
    with new_dag("supplied", default_args={"wait_for_completion": False, "retries": 0}) as dag:
        exec(compile(operator, "start.md", "exec"), names)
        exec(compile(function, "start.md", "exec"), names)
        names["speak"].override(task_id="returned")()

    finished = run_dag(dag, conf={"text": text})

    assert finished.state == "success", finished.output
    spoken = [finished.xcoms(name)["RequestCharacters"] for name in ("speak", "returned")]
    assert spoken == [len(text), len(text)]


def test_hook_guide_lists_voices(speaking_emulator: RunningEmulator) -> None:
    # The guide shows Airflow 3's import.
    source = code_in(ROOT / "docs" / "guides" / "hook.md").replace(
        "airflow.sdk", "airflow_polly_provider.compat"
    )
    names: dict[str, Any] = {}
    exec(compile(source, "hook.md", "exec"), names)

    assert "Amy" in names["voices"].function()
