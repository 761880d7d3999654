"""The emulator's command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from importlib import util
from pathlib import Path

import pytest

from airflow_polly_provider.emulator import __main__ as command
from airflow_polly_provider.emulator.control import server
from tests.integration.emulator.support import emulator_command

AWS = Path(sysconfig.get_path("scripts"), "aws")


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI is not installed")
def test_the_aws_cli_starts_gets_lists_and_copies(tmp_path: Path) -> None:
    # Each call of the AWS CLI takes seconds, so the task should be completed at the first check.
    immediate = ("--scheduled-seconds", "0", "--in-progress-seconds", "0", "--audio", "tone")
    with emulator_command(*immediate, "--bucket", "audio") as (_, url):
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }

        def aws(*arguments: str) -> str:
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
def test_a_signal_ends_the_emulator_without_an_error(number: signal.Signals) -> None:
    with emulator_command() as (process, _):
        process.send_signal(number)
        _, message = process.communicate(timeout=20)
        assert process.returncode == 0
        assert message == "Bound to 127.0.0.1: only this machine can reach it.\n"


def test_an_address_that_other_machines_can_reach_causes_a_warning() -> None:
    assert command.describe_reach("0.0.0.0").startswith("WARNING")


def test_a_missing_extra_is_an_error_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = util.find_spec
    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "moto" else known(name))
    monkeypatch.setattr(sys, "argv", ["emulator"])
    assert command.main() == 1
    message = capsys.readouterr().err
    assert "needs moto" in message
    assert 'pip install ".[emulator]"' in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "99999"), "port must be from 0 (any free port) to 65535, not 99999"),
        (
            ("--scheduled-seconds", "-1"),
            "scheduled_seconds must be a number of seconds, at least 0, not -1.0",
        ),
        (("--bucket", "My_Bucket"), "'My_Bucket' is not a valid bucket name: S3 allows"),
        (("--quotas", "fast"), "Quotas must be 'aws' or a JSON object"),
        (("--quotas", '{"voices": 3}'), "The quota 'voices' must be two numbers"),
        (("--cors-origin", "*"), "'*' is not an origin"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(
    arguments: tuple[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["emulator", *arguments])
    assert command.main() == 2
    output = capsys.readouterr().err
    assert output.startswith(message)
    assert output.count("\n") == 1


def test_an_unknown_host_is_an_error_that_names_the_host(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["emulator", "--host", "[::1]"])
    assert command.main() == 1
    assert "Unknown host '[::1]'" in capsys.readouterr().err


def test_a_port_in_use_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with emulator_command() as (_, url):
        monkeypatch.setattr(sys, "argv", ["emulator", "--port", url.rpartition(":")[2]])
        assert command.main() == 1
    assert "address already in use" in capsys.readouterr().err
