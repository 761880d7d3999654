"""The wait for a batch on a real event loop, against the emulator."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.triggers.batch import PollySpeechSynthesisBatchTrigger
from airflow_polly_provider.triggers.events import batch_outcome_of
from tests.integration.aws_clients import client_of
from tests.unit.batch.records import manifest, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator

ITEMS = 1000


@pytest.fixture(scope="module")
def silent_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(scheduled_seconds=0.2, in_progress_seconds=1, audio="none") as emulator:
        yield emulator


@pytest.fixture
def stored(silent_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Start the synthesis tasks of a batch, and return the URI and the ETag of its manifest."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", silent_emulator.airflow_connection())
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "200")
    silent_emulator.faults.clear()
    records = []
    with client_of(silent_emulator, "polly") as polly, client_of(silent_emulator, "s3") as s3:
        for number in range(ITEMS):
            started = polly.start_speech_synthesis_task(
                Text=f"Number {number}",
                VoiceId="Amy",
                OutputFormat="mp3",
                OutputS3BucketName=silent_emulator.bucket,
            )["SynthesisTask"]
            task_id: str = started["TaskId"]
            records.append(record(number, status="scheduled", task_id=task_id))
        store = ManifestStore(lambda: s3, S3Location(silent_emulator.bucket, "batches/one.json"))
        store.load()
        store.save(manifest(records))
    silent_emulator.counters.reset()
    assert store.etag is not None
    return store.uri, store.etag


async def run(stored: tuple[str, str], **arguments: Any) -> Any:
    uri, etag = stored
    given = {"deadline": time.time() + 60, "poke_interval": 1} | arguments
    waiting = PollySpeechSynthesisBatchTrigger(manifest_s3_uri=uri, manifest_etag=etag, **given)
    row = json.loads(json.dumps(waiting.serialize()[1]))
    restarted = PollySpeechSynthesisBatchTrigger(**row)
    (event,) = [event async for event in restarted.run()]
    return batch_outcome_of(json.loads(json.dumps(event.payload)))


@pytest.mark.parametrize("faulty", [False, True], ids=["without faults", "with faults"])
async def test_waits_for_many_synthesis_tasks(
    silent_emulator: RunningEmulator, stored: tuple[str, str], faulty: bool
) -> None:
    if faulty:
        silent_emulator.faults.add("*", times=3, error="ThrottlingException")
        silent_emulator.faults.add("*", times=3, error="ServiceFailureException", status=500)
        silent_emulator.faults.add("*", times=2, cut=True)
    outcome = await run(stored)
    assert (outcome.completed, outcome.failed, outcome.unknown) == (ITEMS, 0, 0)
    assert outcome.error is None
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    operations = ("GetSpeechSynthesisTask", "ListSpeechSynthesisTasks")
    assert sum(map(silent_emulator.counters.calls, operations)) <= 2 * ITEMS
