from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from airflow_polly_provider.emulator.testing import running_emulator

LONG = "It is a truth universally acknowledged. " * 2000
TASK = {"Text": LONG, "VoiceId": "Joanna", "OutputFormat": "mp3", "OutputS3BucketName": "audio"}

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds child processes by /proc")


def children_of(pid: int) -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"\nPPid:\t{pid}\n" in text:
            found.add(int(status.parent.name))
    return found


def workers_of(pid: int) -> set[int]:
    found = set()
    for child in children_of(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"airflow_polly_provider.emulator.worker" in command:
            found.add(child)
    return found


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def emulator_process():
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_polly_provider.emulator", "--bucket", "audio"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = process.stdout.readline().strip().rpartition(" ")[2]
    polly = boto3.client(
        "polly",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    yield process, polly
    polly.close()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_die_with_their_parent(emulator_process, number):
    process, polly = emulator_process
    polly.start_speech_synthesis_task(**TASK)
    wait_until(lambda: workers_of(process.pid))
    workers = workers_of(process.pid)
    process.send_signal(number)
    process.wait(timeout=20)
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_no_more_children_than_cores(emulator_process):
    process, polly = emulator_process
    for _ in range(3 * (os.cpu_count() or 1)):
        polly.start_speech_synthesis_task(**TASK)
    wait_until(lambda: workers_of(process.pid))
    for _ in range(20):
        assert len(workers_of(process.pid)) <= (os.cpu_count() or 1)
        time.sleep(0.05)


def test_a_child_that_dies_fails_its_task(client):
    with running_emulator(buckets=("audio",)) as emulator:
        polly = client("polly", running=emulator)
        before = workers_of(os.getpid())
        task_id = polly.start_speech_synthesis_task(**TASK)["SynthesisTask"]["TaskId"]
        wait_until(lambda: workers_of(os.getpid()) - before)
        for worker in workers_of(os.getpid()) - before:
            os.kill(worker, signal.SIGKILL)

        def task():
            return polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]

        wait_until(lambda: task()["TaskStatus"] == "failed")
        assert "child process" in task()["TaskStatusReason"]
