"""The child processes that synthesize audio."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.aws_clients import aws_client
from tests.integration.emulator.processes import wait_until, workers_of
from tests.integration.emulator.support import CREDENTIALS, emulator_command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.integration.emulator.support import MakeClient

LONG = "It is a truth universally acknowledged. " * 2000
TASK = {"Text": LONG, "VoiceId": "Joanna", "OutputFormat": "mp3", "OutputS3BucketName": "audio"}

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find child processes")


@pytest.fixture
def emulator_process() -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Yield an emulator in a separate process and a Polly client for it."""
    with emulator_command("--bucket", "audio") as (process, url):
        polly = aws_client("polly", config=None, endpoint_url=url, **CREDENTIALS)
        yield process, polly
        polly.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_child_processes_end_with_their_parent(
    emulator_process: tuple[subprocess.Popen[str], Any], number: signal.Signals
) -> None:
    process, polly = emulator_process
    polly.start_speech_synthesis_task(**TASK)
    wait_until(lambda: workers_of(process.pid))
    workers = workers_of(process.pid)
    process.send_signal(number)
    process.wait(timeout=20)
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_there_are_at_most_as_many_child_processes_as_cores(
    emulator_process: tuple[subprocess.Popen[str], Any],
) -> None:
    process, polly = emulator_process
    for _ in range(3 * (os.cpu_count() or 1)):
        polly.start_speech_synthesis_task(**TASK)
    wait_until(lambda: workers_of(process.pid))
    for _ in range(20):
        assert len(workers_of(process.pid)) <= (os.cpu_count() or 1)
        time.sleep(0.05)


def test_the_task_fails_if_its_child_process_is_killed(client: MakeClient) -> None:
    with running_emulator(buckets=("audio",)) as emulator:
        polly = client("polly", running=emulator)
        before = workers_of(os.getpid())
        task_id = polly.start_speech_synthesis_task(**TASK)["SynthesisTask"]["TaskId"]
        wait_until(lambda: workers_of(os.getpid()) - before)
        for worker in workers_of(os.getpid()) - before:
            os.kill(worker, signal.SIGKILL)

        def task() -> dict[str, Any]:
            found: dict[str, Any] = polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]
            return found

        wait_until(lambda: task()["TaskStatus"] == "failed")
        assert "child process" in task()["TaskStatusReason"]
