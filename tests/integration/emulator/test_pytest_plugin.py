"""The pytest plugin, tested in separate pytest processes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "airflow_polly_provider.emulator.pytest_plugin"
TEST = """
import os

import pytest


@pytest.fixture(scope="session")
def polly_emulator_settings():
    return {"audio": "tone", "buckets": ("mine",)}


def test_a_task(polly_client, polly_bucket, polly_emulator):
    assert polly_bucket == "mine"
    polly_client.start_speech_synthesis_task(
        Text="Hi", VoiceId="Amy", OutputFormat="mp3", OutputS3BucketName=polly_bucket
    )
    assert polly_emulator.counters.calls("StartSpeechSynthesisTask", "ok") == 1


def test_a_second_test_gets_an_empty_emulator(polly_connection, polly_client):
    assert polly_connection.endpoint_url in os.environ["AIRFLOW_CONN_AWS_DEFAULT"]
    assert polly_client.list_speech_synthesis_tasks()["SynthesisTasks"] == []
"""
UNUSED = """
import sys


def test_the_plugin_is_loaded_without_the_emulator():
    assert "airflow_polly_provider.emulator.pytest_plugin" in sys.modules
    assert "airflow_polly_provider.emulator.testing" not in sys.modules
    assert "moto" not in sys.modules
"""


def run_pytest(folder: Path, test: str) -> str:
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    # An installation made before the entry point existed does not load the plugin.
    if PLUGIN not in {entry_point.value for entry_point in entry_points(group="pytest11")}:
        command += ["-p", PLUGIN]
    command.append(str(folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=folder)
    return done.stdout + done.stderr


def test_the_fixtures_provide_an_empty_emulator_to_each_test(tmp_path: Path) -> None:
    assert "2 passed" in run_pytest(tmp_path, TEST)


def test_the_plugin_imports_no_emulator_until_a_fixture_is_used(tmp_path: Path) -> None:
    assert "1 passed" in run_pytest(tmp_path, UNUSED)
