"""An emulator of its own for these tests, and unmodified clients for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from airflow_polly_provider.emulator.testing import running_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(scheduled_seconds=0.05, in_progress_seconds=0.05) as running:
        yield running


@pytest.fixture
def emulator(shared_emulator: RunningEmulator) -> RunningEmulator:
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture
def client(emulator: RunningEmulator) -> Iterator[Callable[..., Any]]:
    made = []

    def make(
        service: str, *, running: RunningEmulator = emulator, read_timeout: float = 30, **settings: Any
    ) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
        made.append(boto3.client(service, config=config, **(running.client_settings | settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def polly(client: Callable[..., Any]) -> Any:
    return client("polly")


@pytest.fixture
def start(polly: Any, emulator: RunningEmulator) -> Callable[..., dict[str, Any]]:
    def start_task(**parameters: Any) -> dict[str, Any]:
        request = {
            "Text": "Hello from the emulator.",
            "VoiceId": "Joanna",
            "OutputFormat": "mp3",
            "OutputS3BucketName": emulator.bucket,
        }
        return polly.start_speech_synthesis_task(**(request | parameters))["SynthesisTask"]

    return start_task


@pytest.fixture
def ended(polly: Any) -> Callable[[str], dict[str, Any]]:
    def wait(task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            task = polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]
            if task["TaskStatus"] in ("completed", "failed"):
                return task
            time.sleep(0.02)
        raise TimeoutError(task_id)

    return wait
