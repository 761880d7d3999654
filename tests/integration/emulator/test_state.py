"""The state folder of the emulator."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.aws_clients import aws_client
from tests.integration.emulator.processes import wait_until, workers_of
from tests.integration.emulator.support import CREDENTIALS, emulator_command, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS = 30
"""So many that some are unfinished when the emulator is killed; each synthesis starts a process."""

LONG_TASK = {
    "Text": "It is a truth universally acknowledged. " * 2000,
    "VoiceId": "Joanna",
    "OutputFormat": "mp3",
    "OutputS3BucketName": "audio",
}


@contextmanager
def emulator(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any, Any]]:
    """Run the command, and yield the process, a Polly client and an S3 client; kill it at the end."""
    with emulator_command(*arguments) as (process, url):
        polly, s3 = (
            aws_client(service, config=None, endpoint_url=url, **CREDENTIALS) for service in ("polly", "s3")
        )
        try:
            yield process, polly, s3
        finally:
            polly.close()
            s3.close()


def command_on(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "airflow_polly_provider.emulator", "--state", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def statuses(polly: Any) -> dict[str, str]:
    pages = polly.get_paginator("list_speech_synthesis_tasks").paginate()
    return {task["TaskId"]: task["TaskStatus"] for page in pages for task in page["SynthesisTasks"]}


@pytest.mark.timeout(600)
def test_a_killed_emulator_finishes_its_tasks_after_a_restart(tmp_path: Path) -> None:
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


def test_an_unusable_state_folder_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("not a folder")
    done = command_on(taken)
    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_state_folder_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"damaged" * 1000)
    done = command_on(tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"The state folder {tmp_path} cannot be used: file is not a database\n"


def test_a_second_emulator_does_not_start_on_the_same_folder_and_names_the_first(tmp_path: Path) -> None:
    with emulator("--state", str(tmp_path)) as (process, polly, _):
        done = command_on(tmp_path)
        assert done.returncode == 1
        assert done.stderr == (
            f"The state folder {tmp_path} is in use by the emulator at {polly.meta.endpoint_url} "
            f"(process {process.pid}): stop that emulator, or use another folder\n"
        )
    # The operating system releases the lock when the process ends for any reason.
    with emulator("--state", str(tmp_path)) as (_, polly, _):
        assert statuses(polly) == {}


def test_a_killed_emulator_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with emulator("--bucket", "audio", "--state", str(tmp_path / "state")) as (process, polly, _):
        polly.start_speech_synthesis_task(**LONG_TASK)
        wait_until(lambda: workers_of(process.pid))
        workers = workers_of(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits a running process")
def test_an_unwritable_state_folder_fails_tasks_but_the_emulator_continues(
    tmp_path: Path,
) -> None:
    with emulator("--bucket", "audio", "--state", str(tmp_path), "--audio", "tone") as (process, polly, _):
        polly.put_lexicon(Name="kept", Content=lexicon())
        text = LONG_TASK["Text"][:800]
        started = polly.start_speech_synthesis_task(**LONG_TASK | {"Text": text})["SynthesisTask"]["TaskId"]
        wait_until(lambda: workers_of(process.pid))
        (worker,) = workers_of(process.pid)
        os.kill(worker, signal.SIGSTOP)
        # From now on no file of the emulator can grow beyond this size, as on a full disk.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: statuses(polly)[started] == "failed")
        task = polly.get_speech_synthesis_task(TaskId=started)["SynthesisTask"]
        assert "could not write to its state folder: " in task["TaskStatusReason"]
        with pytest.raises(
            polly.exceptions.ServiceFailureException, match="could not store the synthesis task"
        ):
            polly.start_speech_synthesis_task(**LONG_TASK)
        with pytest.raises(polly.exceptions.ServiceFailureException, match="could not store the lexicons"):
            polly.put_lexicon(Name="mine", Content=lexicon())
        with pytest.raises(polly.exceptions.ServiceFailureException, match="could not store the lexicons"):
            polly.delete_lexicon(Name="kept")
        assert [each["Name"] for each in polly.list_lexicons()["Lexicons"]] == ["kept"]
        assert statuses(polly) == {started: "failed"}

        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        later = polly.start_speech_synthesis_task(**LONG_TASK | {"Text": "Hello"})["SynthesisTask"]["TaskId"]
        wait_until(lambda: statuses(polly)[later] == "completed")
    with emulator("--state", str(tmp_path)) as (_, polly, s3):
        assert statuses(polly) == {started: "failed", later: "completed"}
        objects = s3.list_objects_v2(Bucket="audio")["Contents"]
        assert [each["Key"] for each in objects] == [f"{later}.mp3"]
