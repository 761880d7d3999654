"""Each operator and the sensor in each of its modes, and the scenarios that they run in."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.integration.dag_builder import DEFERRED, GET, IN_WORKER, NO_WAIT, START, TEXT, new_dag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator

REASON = "The output bucket is closed"
TASK_ID = "waits"
NOT_WAITING = "not waiting"
SYNTHESIS_SECONDS = 3600.0

OPERATORS: dict[str, type] = {
    "start": PollyStartSpeechSynthesisTaskOperator,
    "get": PollyGetSpeechSynthesisTaskOperator,
    "sensor": PollySpeechSynthesisTaskSensor,
}

MODES: dict[str, dict[str, dict[str, Any]]] = {
    "start": {NOT_WAITING: NO_WAIT, "in worker": IN_WORKER, "deferred": DEFERRED},
    "get": {
        NOT_WAITING: {},
        "in worker": {"wait_for_completion": True, **IN_WORKER},
        "deferred": {"wait_for_completion": True, **DEFERRED},
    },
    "sensor": {
        "poke": {"mode": "poke"},
        "reschedule": {"mode": "reschedule"},
        "deferred": DEFERRED,
    },
}


COMMON_ARGUMENTS: dict[str, Any] = {
    "task_id": TASK_ID,
    # botocore's own retries would hide ours.
    "botocore_config": {"retries": {"total_max_attempts": 1}},
    "poke_interval": 0.2,
    "retries": 1,
    "retry_delay": timedelta(0),
}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens at Polly's side while an Airflow task runs, and how the task is configured.

    :param connection: ``aws_conn_id``.
    :param ends: how the synthesis task ends; None for never.
    :param known: whether Polly knows the synthesis task.
    :param fault: how requests fail.
    :param faulty: how many requests of which operation fail; None for all.
    :param arguments: further arguments of the operator or sensor.
    """

    connection: str = "aws_default"
    ends: str | None = "completed"
    known: bool = True
    fault: Mapping[str, Any] = field(default_factory=dict)
    faulty: Mapping[str, int | None] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)


def seed_synthesis_task(emulator: RunningEmulator, scenario: Scenario) -> str:
    """Return the id of a synthesis task that something else started."""
    if not scenario.known:
        return str(uuid.uuid4())
    (synthesis_task_id,) = emulator.seed(
        status="inProgress",
        ends_in_seconds=SYNTHESIS_SECONDS if scenario.ends else None,
        ends_as=scenario.ends or "completed",
        reason=REASON if scenario.ends == "failed" else None,
    )
    return synthesis_task_id


def add_faults(emulator: RunningEmulator, scenario: Scenario, requests_before_wait: int) -> None:
    """Let requests of the wait fail as the scenario says, but not those before the wait.

    :param requests_before_wait: how often the synthesis task is asked for before the wait.
    """
    if requests_before_wait:
        emulator.faults.add(GET, times=requests_before_wait, delay_seconds=0.01)
    for operation, times in scenario.faulty.items():
        emulator.faults.add(operation, times=times, **scenario.fault)
    if scenario.ends == "failed":
        emulator.faults.add(START, times=None, fail_task=REASON)
    if not scenario.known:
        emulator.faults.add(GET, times=None, error="SynthesisTaskNotFoundException")


@contextmanager
def synthesis_ends_after(emulator: RunningEmulator, *, answers: int) -> Iterator[None]:
    """Let synthesis tasks end after they were seen unfinished, so that each wait really waits.

    :param answers: how many answers show a synthesis task unfinished before it ends.
    """
    finished = threading.Event()

    def end_what_was_seen() -> None:
        seen = 0
        while not finished.wait(0.02):
            answered = emulator.counters.calls(GET, "ok")
            if answered >= seen + answers:
                emulator.advance_clock(SYNTHESIS_SECONDS)
                seen = answered

    thread = threading.Thread(target=end_what_was_seen, name="synthesis-ends")
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def scenario_dag(operator: str, mode: str, emulator: RunningEmulator, scenario: Scenario) -> DAG:
    """Return a DAG of one task, which may be retried once."""
    arguments = {
        **COMMON_ARGUMENTS,
        "aws_conn_id": scenario.connection,
        **MODES[operator][mode],
        **scenario.arguments,
    }
    if operator == "start":
        arguments |= {"text": TEXT, "voice_id": "Amy", "output_s3_bucket_name": emulator.bucket}
    else:
        arguments["synthesis_task_id"] = seed_synthesis_task(emulator, scenario)
    with new_dag("modes") as dag:
        OPERATORS[operator](**arguments)
    return dag
