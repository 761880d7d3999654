"""An emulator for each test module, and unmodified clients for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.aws_clients import aws_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient, StartTask, WaitForEnd


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(scheduled_seconds=0.05, in_progress_seconds=0.05) as running:
        yield running


@pytest.fixture
def emulator(shared_emulator: RunningEmulator) -> RunningEmulator:
    shared_emulator.reset()
    return shared_emulator


@pytest.fixture
def client(emulator: RunningEmulator) -> Iterator[MakeClient]:
    made: list[Any] = []

    def make(
        service: str, *, running: RunningEmulator = emulator, read_timeout: float = 30, **settings: str
    ) -> Any:
        config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
        made.append(aws_client(service, config=config, **(running.client_settings | settings)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def polly(client: MakeClient) -> Any:
    return client("polly")


@pytest.fixture
def start_task(polly: Any, emulator: RunningEmulator) -> StartTask:
    def start(**parameters: Any) -> dict[str, Any]:
        request = {
            "Text": "Hello from the emulator.",
            "VoiceId": "Joanna",
            "OutputFormat": "mp3",
            "OutputS3BucketName": emulator.bucket,
        }
        task: dict[str, Any] = polly.start_speech_synthesis_task(**(request | parameters))["SynthesisTask"]
        return task

    return start


@pytest.fixture
def wait_for_end(polly: Any) -> WaitForEnd:
    def wait(task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            task: dict[str, Any] = polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]
            if task["TaskStatus"] in ("completed", "failed"):
                return task
            time.sleep(0.02)
        raise TimeoutError(task_id)

    return wait
