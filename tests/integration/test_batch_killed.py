"""A batch whose process is killed at any point starts one synthesis task for each item."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.batch.starting import THREADS
from tests.integration.aws_clients import client_of
from tests.integration.conftest import prepare
from tests.integration.dag_builder import START
from tests.integration.killed_batch import operator
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

ITEMS = 12
_PROJECT = Path(__file__).parents[2]
_SECONDS = 120

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def polly(tone_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    prepare(tone_emulator, monkeypatch).reset()
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", '{"standard": 200, "neural": 200}')
    return tone_emulator


def run_and_kill(
    polly: RunningEmulator, when: str, operation: str, number: int, *, try_number: int = 1
) -> None:
    """Run a try in a process that kills itself."""
    command = [sys.executable, "-m", "tests.integration.killed_batch"]
    done = subprocess.run(
        [*command, polly.bucket, str(ITEMS), when, operation, str(number), str(try_number)],
        cwd=_PROJECT,
        env={**os.environ, "AIRFLOW_CONN_AWS_DEFAULT": polly.airflow_connection()},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]


def synthesis_tasks(polly: RunningEmulator) -> Counter[str]:
    """Return the number of synthesis tasks for each token."""
    with client_of(polly, "polly") as client:
        pages = client.get_paginator("list_speech_synthesis_tasks").paginate()
        uris = [task["OutputUri"] for page in pages for task in page["SynthesisTasks"]]
    return Counter(uri.rpartition("/")[2].partition(".")[0] for uri in uris)


def keys(polly: RunningEmulator) -> set[str]:
    with client_of(polly, "s3") as s3:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=polly.bucket)
        return {each["Key"] for page in pages for each in page.get("Contents", [])}


def assert_complete(polly: RunningEmulator, value: dict[str, Any]) -> None:
    started = synthesis_tasks(polly)
    assert (len(started), set(started.values())) == (ITEMS, {1})
    assert polly.counters.calls(START, "ok") == ITEMS
    assert (value["TotalItems"], value["CompletedItems"], value["FailedItems"]) == (ITEMS, ITEMS, 0)
    assert [item["Id"] for item in value["Items"]] == [f"prompt-{index}" for index in range(ITEMS)]
    written = {item["OutputS3Uri"].removeprefix(f"s3://{polly.bucket}/") for item in value["Items"]}
    manifest = value["ManifestS3Uri"].removeprefix(f"s3://{polly.bucket}/")
    assert keys(polly) == written | {manifest}
    assert len(written) == ITEMS


@pytest.mark.parametrize(
    ("when", "operation", "number"),
    [
        ("after", "s3.PutObject", 1),
        ("after", "polly.StartSpeechSynthesisTask", ITEMS // 2),
        ("before", "s3.PutObject", 2),
        ("after", "s3.CopyObject", 3),
        ("before", "s3.PutObject", 3),
    ],
)
def test_next_try_completes_the_batch(polly: RunningEmulator, when: str, operation: str, number: int) -> None:
    run_and_kill(polly, when, operation, number)

    value = execute(operator(polly.bucket, ITEMS), context(try_number=2))

    assert_complete(polly, value)


def test_two_tries_in_a_row_can_be_killed(polly: RunningEmulator) -> None:
    assert THREADS < ITEMS, "so many requests can be under way when the first is answered; some must remain"
    run_and_kill(polly, "after", "polly.StartSpeechSynthesisTask", 1)
    run_and_kill(polly, "after", "polly.StartSpeechSynthesisTask", 1, try_number=2)

    value = execute(operator(polly.bucket, ITEMS), context(try_number=3))

    assert_complete(polly, value)
