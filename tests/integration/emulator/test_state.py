from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import boto3
import pytest

SETTINGS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
PLS = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
    'xml:lang="en-US"><lexeme><grapheme>a</grapheme><alias>b</alias></lexeme></lexicon>'
)


@contextmanager
def emulator(*arguments: str):
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_polly_provider.emulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = process.stdout.readline().strip().rpartition(" ")[2]
    polly, s3 = (boto3.client(service, endpoint_url=url, **SETTINGS) for service in ("polly", "s3"))
    try:
        yield process, polly, s3
    finally:
        polly.close()
        s3.close()
        process.kill()
        process.communicate()


def statuses(polly) -> dict[str, str]:
    pages = polly.get_paginator("list_speech_synthesis_tasks").paginate()
    return {task["TaskId"]: task["TaskStatus"] for page in pages for task in page["SynthesisTasks"]}


@pytest.mark.timeout(600)
def test_a_killed_emulator_finishes_its_tasks_after_its_restart(tmp_path):
    arguments = ["--state", str(tmp_path), "--bucket", "audio", "--audio", "tone"]
    arguments += ["--scheduled-seconds", "0", "--in-progress-seconds", "0"]
    with emulator(*arguments) as (process, polly, _):
        polly.put_lexicon(Name="mine", Content=PLS, Tags={"a": "b"})
        started = [
            polly.start_speech_synthesis_task(
                Text="Hello", VoiceId="Joanna", OutputFormat="mulaw", OutputS3BucketName="audio"
            )["SynthesisTask"]["TaskId"]
            for _ in range(100)
        ]
        deadline = time.monotonic() + 300
        while list(statuses(polly).values()).count("completed") < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.wait()
    with emulator(*arguments) as (_, polly, s3):
        before = statuses(polly)
        assert list(before) == started
        assert "completed" in before.values()
        deadline = time.monotonic() + 300
        while set(statuses(polly).values()) != {"completed"} and time.monotonic() < deadline:
            time.sleep(0.2)
        assert statuses(polly) == dict.fromkeys(started, "completed")
        objects = s3.list_objects_v2(Bucket="audio")["Contents"]
        assert {each["Key"] for each in objects} == {f"{task_id}.mulaw" for task_id in started}
        assert min(each["Size"] for each in objects) > 100
        arn = polly.get_lexicon(Name="mine")["LexiconAttributes"]["LexiconArn"]
        assert polly.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"a": "b"}


def test_a_bucket_of_the_users_and_a_clock_set_forward_outlive_a_kill(tmp_path):
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
            time.sleep(0.2)
        assert statuses(polly) == {task_id: "completed"}
        assert s3.list_objects_v2(Bucket="mine")["Contents"][0]["Key"] == f"{task_id}.mulaw"


def test_a_state_folder_that_cannot_be_used_is_told(tmp_path):
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
