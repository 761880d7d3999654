from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airflow_polly_provider
from airflow_polly_provider.emulator.speech import synthesis

REQUEST = {"Text": "Hello", "VoiceId": "Amy", "OutputFormat": "mp3"}


class StartedError(Exception):
    """Ends a test where the child process would start."""


def test_the_child_process_imports_the_package_of_its_parent_with_any_sys_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment: dict[str, str] = {}

    def start(*_: Any, env: dict[str, str], **__: Any) -> None:
        environment.update(env)
        raise StartedError

    monkeypatch.delenv("PYTHONPATH", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", start)
        with pytest.raises(StartedError):
            synthesis.Synthesizer(speech=False).synthesize(REQUEST, cancellation=synthesis.Cancellation())
    # Without site-packages, Python finds only the packages on the PYTHONPATH of ``env``.
    command = [
        sys.executable,
        "-S",
        "-c",
        "import airflow_polly_provider as package; print(package.__file__)",
    ]
    found = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert Path(found.stdout.strip()).samefile(airflow_polly_provider.__file__)
