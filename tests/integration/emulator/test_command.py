from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from importlib import util
from pathlib import Path

import pytest

from airflow_polly_provider.emulator import __main__ as command
from airflow_polly_provider.emulator import server

AWS = Path(sysconfig.get_path("scripts"), "aws")


@contextmanager
def emulator_process(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_polly_provider.emulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("Polly emulator listening on http://127.0.0.1:"), process.stderr.read()
        yield process, line.rpartition(" ")[2]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI is not installed")
def test_the_aws_cli_starts_gets_lists_and_copies(tmp_path):
    with emulator_process("--bucket", "audio", "--in-progress-seconds", "0.1") as (_, url):
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }

        def aws(*arguments):
            done = subprocess.run(
                [AWS, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
            )
            return done.stdout

        started = json.loads(
            aws(
                "polly",
                "start-speech-synthesis-task",
                *("--text", "Hello from the command line", "--voice-id", "Brian"),
                *("--output-format", "mp3", "--output-s3-bucket-name", "audio"),
            )
        )["SynthesisTask"]
        status, deadline = "", time.monotonic() + 60
        while status != "completed" and time.monotonic() < deadline:
            got = json.loads(aws("polly", "get-speech-synthesis-task", "--task-id", started["TaskId"]))
            status = got["SynthesisTask"]["TaskStatus"]
        listed = json.loads(aws("polly", "list-speech-synthesis-tasks", "--status", "completed"))
        assert [task["TaskId"] for task in listed["SynthesisTasks"]] == [started["TaskId"]]
        aws("s3", "cp", f"s3://audio/{started['TaskId']}.mp3", str(tmp_path / "hello.mp3"))
    assert (tmp_path / "hello.mp3").stat().st_size > 1000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number):
    with emulator_process() as (process, _):
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert said == "Bound to 127.0.0.1: only this machine can reach it.\n"


def test_a_reach_beyond_this_machine_is_warned_of():
    assert command.describe_reach("0.0.0.0").startswith("WARNING")


def test_a_missing_extra_is_named(monkeypatch, capsys):
    known = util.find_spec
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "moto" else known(name))
    monkeypatch.setattr(sys, "argv", ["emulator"])
    assert command.main() == 1
    said = capsys.readouterr().err
    assert "needs moto" in said
    assert 'pip install ".[emulator]"' in said


def test_a_taken_port_is_told(capsys, monkeypatch):
    with emulator_process() as (_, url):
        monkeypatch.setattr(sys, "argv", ["emulator", "--port", url.rpartition(":")[2]])
        assert command.main() == 1
    assert "address already in use" in capsys.readouterr().err
