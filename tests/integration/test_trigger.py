"""The deferred wait on a real event loop, against the emulator."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.triggers.events import synthesis_task_of
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait.poller.status_poller import StatusPoller
from tests.integration.aws_clients import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator

WAITS = 200


@pytest.fixture(scope="module")
def silent_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(scheduled_seconds=0.2, in_progress_seconds=0.5, audio="none") as emulator:
        yield emulator


@pytest.fixture
def started(silent_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Start many synthesis tasks, and return their TaskIds."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", silent_emulator.airflow_connection())
    silent_emulator.faults.clear()
    with client_of(silent_emulator, "polly") as polly:
        ids = [
            polly.start_speech_synthesis_task(
                Text=f"Number {number}",
                VoiceId="Amy",
                OutputFormat="mp3",
                OutputS3BucketName=silent_emulator.bucket,
            )["SynthesisTask"]["TaskId"]
            for number in range(WAITS)
        ]
    silent_emulator.counters.reset()
    return ids


async def wait_for(synthesis_task_id: str) -> dict[str, Any]:
    trigger = PollySpeechSynthesisTaskTrigger(
        synthesis_task_id=synthesis_task_id, deadline=time.time() + 60, poke_interval=1
    )
    (event,) = [event async for event in trigger.run()]
    return synthesis_task_of(event.payload)


def pollers() -> list[StatusPoller]:
    """Return all pollers in memory, including those of other tests."""
    return [thing for thing in gc.get_objects() if type(thing) is StatusPoller]


@pytest.mark.parametrize("faulty", [False, True], ids=["without faults", "with faults"])
async def test_many_waits_share_one_poller(
    silent_emulator: RunningEmulator, started: list[str], monkeypatch: pytest.MonkeyPatch, faulty: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "200")
    if faulty:
        silent_emulator.faults.add("*", times=3, error="ThrottlingException")
        silent_emulator.faults.add("*", times=3, error="ServiceFailureException", status=500)
        silent_emulator.faults.add("*", times=2, cut=True)
        silent_emulator.faults.add("*", times=2, drop="before")
    earlier = pollers()

    waits = asyncio.gather(*map(wait_for, started))
    shared: list[StatusPoller] = []
    while not waits.done():
        # Check often, because all waits can end within half a second.
        await asyncio.sleep(0.05)
        shared += [one for one in pollers() if one not in earlier and one not in shared]
    ended = await waits
    assert [task["TaskId"] for task in ended] == started
    assert {task["TaskStatus"] for task in ended} == {"completed"}
    assert len(shared) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
    operations = ("GetSpeechSynthesisTask", "ListSpeechSynthesisTasks")
    requests = sum(map(silent_emulator.counters.calls, operations))
    assert requests <= 5 * WAITS
