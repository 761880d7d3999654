"""Each operator and the sensor in each of its modes, and what they meet there."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG

from airflow_polly_provider import waiting
from airflow_polly_provider.operators import durable_start, patient_start
from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

    Runner = Callable[[DAG], FinishedRun]

TEXT = "Zebras quietly juggle."
REASON = "The output bucket is closed"
TASK_ID = "cell"
START, GET = "StartSpeechSynthesisTask", "GetSpeechSynthesisTask"
NOT_WAITING = "not waiting"
SYNTHESIS_SECONDS = 3600.0

OPERATORS = {
    "start": PollyStartSpeechSynthesisTaskOperator,
    "get": PollyGetSpeechSynthesisTaskOperator,
    "sensor": PollySpeechSynthesisTaskSensor,
}

MODES: dict[str, dict[str, dict[str, Any]]] = {
    "start": {
        NOT_WAITING: {"wait_for_completion": False},
        "in worker": {"deferrable": False},
        "deferred": {"deferrable": True},
    },
    "get": {
        NOT_WAITING: {},
        "in worker": {"wait_for_completion": True, "deferrable": False},
        "deferred": {"wait_for_completion": True, "deferrable": True},
    },
    "sensor": {
        "poke": {"mode": "poke"},
        "reschedule": {"mode": "reschedule"},
        "deferred": {"deferrable": True},
    },
}


QUICK: dict[str, Any] = {
    "task_id": TASK_ID,
    # botocore's own patience would hide ours.
    "botocore_config": {"retries": {"total_max_attempts": 1}},
    "poke_interval": 0.2,
    "retries": 1,
    "retry_delay": timedelta(0),
}


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an Airflow task meets.

    :param connection: ``aws_conn_id``.
    :param ends: how the synthesis task ends; None for never.
    :param known: whether Polly shows it.
    :param fault: what spoils each of the operations in ``faulty``, this many times.
    :param arguments: further arguments of the operator or sensor.
    """

    connection: str = "aws_default"
    ends: str | None = "completed"
    known: bool = True
    fault: Mapping[str, Any] = field(default_factory=dict)
    faulty: Mapping[str, int | None] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every wait that is no matter of what is shown here."""
    monkeypatch.setattr(waiting, "NOT_FOUND_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(waiting, "FIRST_CHECKS_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(patient_start, "LONGEST_BACK_OFF_SECONDS", 0.05)
    monkeypatch.setattr(durable_start, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0.2")
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "50")


def new_dag(name: str = "modes") -> DAG:
    return DAG(f"{name}_{time.time_ns()}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None)


def seeded(emulator: RunningEmulator, given: Given) -> str:
    """The id of a synthesis task that was started elsewhere."""
    if not given.known:
        return str(uuid.uuid4())
    (synthesis_task_id,) = emulator.seed(
        status="inProgress",
        ends_in_seconds=SYNTHESIS_SECONDS if given.ends else None,
        ends_as=given.ends or "completed",
        reason=REASON if given.ends == "failed" else None,
    )
    return synthesis_task_id


def spoil(emulator: RunningEmulator, given: Given, looks_before: int) -> None:
    """Let go wrong what shall, in the wait and not before.

    :param looks_before: how often the synthesis task is asked for before the wait.
    """
    if looks_before:
        emulator.faults.add(GET, times=looks_before, delay_seconds=0.01)
    for operation, times in given.faulty.items():
        emulator.faults.add(operation, times=times, **given.fault)
    if given.ends == "failed":
        emulator.faults.add(START, times=None, fail_task=REASON)
    if not given.known:
        emulator.faults.add(GET, times=None, error="SynthesisTaskNotFoundException")


@contextmanager
def ending(emulator: RunningEmulator, looks: int) -> Iterator[None]:
    """Let synthesis tasks end when they were seen unfinished, so that every wait is one.

    :param looks: how many answers show a synthesis task before it ends.
    """
    over = threading.Event()

    def end_what_was_seen() -> None:
        seen = 0
        while not over.wait(0.02):
            answers = emulator.counters.calls(GET, "ok")
            if answers >= seen + looks:
                emulator.advance_clock(SYNTHESIS_SECONDS)
                seen = answers

    thread = threading.Thread(target=end_what_was_seen, name="ending")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def cell_dag(who: str, mode: str, emulator: RunningEmulator, given: Given) -> DAG:
    """A DAG of one task, which may be retried once."""
    arguments = {**QUICK, "aws_conn_id": given.connection, **MODES[who][mode], **given.arguments}
    if who == "start":
        arguments |= {"text": TEXT, "voice_id": "Amy", "output_s3_bucket_name": emulator.bucket}
    else:
        arguments["synthesis_task_id"] = seeded(emulator, given)
    with new_dag() as dag:
        OPERATORS[who](**arguments)
    return dag
