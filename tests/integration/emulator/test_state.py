"""The state folder of the emulator."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.aws_clients import aws_client
from tests.integration.emulator.support import CREDENTIALS, emulator_command, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = 30
"""Enough that many are unfinished when the emulator is killed; each takes a process."""


@contextmanager
def emulator(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any, Any]]:
    """Run the command; give the process, a Polly client and an S3 client. The block's end kills it."""
    with emulator_command(*arguments) as (process, url):
        polly, s3 = (
            aws_client(service, config=None, endpoint_url=url, **CREDENTIALS) for service in ("polly", "s3")
        )
        try:
            yield process, polly, s3
        finally:
            polly.close()
            s3.close()


def statuses(polly: Any) -> dict[str, str]:
    pages = polly.get_paginator("list_speech_synthesis_tasks").paginate()
    return {task["TaskId"]: task["TaskStatus"] for page in pages for task in page["SynthesisTasks"]}


@pytest.mark.timeout(600)
def test_a_killed_emulator_finishes_its_tasks_after_its_restart(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path), "--bucket", "audio", "--audio", "tone"]
    arguments += ["--scheduled-seconds", "0", "--in-progress-seconds", "0"]
    with emulator(*arguments) as (process, polly, _):
        polly.put_lexicon(Name="mine", Content=lexicon(), Tags={"a": "b"})
        started = [
            polly.start_speech_synthesis_task(
                Text="Hello", VoiceId="Joanna", OutputFormat="mulaw", OutputS3BucketName="audio"
            )["SynthesisTask"]["TaskId"]
            for _ in range(TASKS)
        ]
        deadline = time.monotonic() + 300
        while list(statuses(polly).values()).count("completed") < TASKS / 10 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.kill()
        process.wait()
    with emulator(*arguments) as (_, polly, s3):
        before = statuses(polly)
        assert list(before) == started
        assert "completed" in before.values()
        assert set(before.values()) != {"completed"}
        deadline = time.monotonic() + 300
        while set(statuses(polly).values()) != {"completed"} and time.monotonic() < deadline:
            time.sleep(0.1)
        assert statuses(polly) == dict.fromkeys(started, "completed")
        objects = s3.list_objects_v2(Bucket="audio")["Contents"]
        assert {each["Key"] for each in objects} == {f"{task_id}.mulaw" for task_id in started}
        assert min(each["Size"] for each in objects) > 100
        arn = polly.get_lexicon(Name="mine")["LexiconAttributes"]["LexiconArn"]
        assert polly.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "b"}


def test_a_bucket_and_an_advanced_clock_are_kept_after_a_kill(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path), "--audio", "tone", "--scheduled-seconds", "1"]
    with emulator(*arguments) as (_, polly, s3):
        s3.create_bucket(Bucket="mine")
        urllib.request.urlopen(
            urllib.request.Request(
                f"{polly.meta.endpoint_url}/_emulator/clock",
                data=b'{"advance_seconds": 3600}',
                headers={"X-Polly-Emulator": "1"},
            ),
            timeout=10,
        ).close()
        task_id = polly.start_speech_synthesis_task(
            Text="Hello", VoiceId="Joanna", OutputFormat="mulaw", OutputS3BucketName="mine"
        )["SynthesisTask"]["TaskId"]
    with emulator(*arguments) as (_, polly, s3):
        deadline = time.monotonic() + 60
        while statuses(polly)[task_id] in ("scheduled", "inProgress") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert statuses(polly) == {task_id: "completed"}
        assert s3.list_objects_v2(Bucket="mine")["Contents"][0]["Key"] == f"{task_id}.mulaw"


def test_an_unusable_state_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a folder")
    done = subprocess.run(
        [sys.executable, "-m", "airflow_polly_provider.emulator", "--state", str(taken)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr
