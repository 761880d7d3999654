"""The modes of each operator and of the sensor, and the scenarios for them."""

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
    # Without botocore's retries, which would hide those of the operator.
    "botocore_config": {"retries": {"total_max_attempts": 1}},
    "poke_interval": 0.2,
    "retries": 1,
    "retry_delay": timedelta(0),
}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The behaviour of Polly while an Airflow task runs, and the configuration of the task.

    :param connection: the ``aws_conn_id``
    :param ends: final status of the synthesis task; None if it never ends
    :param known: whether Polly knows the synthesis task
    :param fault: effect of the fault on a request
    :param faulty: number of failing requests for each operation; None for all
    :param arguments: additional arguments of the operator or sensor
    """

    connection: str = "aws_default"
    ends: str | None = "completed"
    known: bool = True
    fault: Mapping[str, Any] = field(default_factory=dict)
    faulty: Mapping[str, int | None] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)


def seed_synthesis_task(emulator: RunningEmulator, scenario: Scenario) -> str:
    """Return the id of a synthesis task that was not started by the DAG."""
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
    """Add the faults of the scenario to the requests of the wait, but not to earlier requests.

    :param requests_before_wait: number of Get requests before the wait
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
    """End synthesis tasks only after they were reported as unfinished. Each Airflow task then really waits.

    :param answers: number of responses that report a synthesis task as unfinished before it ends
    """
    finished = threading.Event()

    def end_seen_tasks() -> None:
        seen = 0
        while not finished.wait(0.02):
            answered = emulator.counters.calls(GET, "ok")
            if answered >= seen + answers:
                emulator.advance_clock(SYNTHESIS_SECONDS)
                seen = answered

    thread = threading.Thread(target=end_seen_tasks, name="synthesis-ends")
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def scenario_dag(operator: str, mode: str, emulator: RunningEmulator, scenario: Scenario) -> DAG:
    """Return a DAG with one task that has one retry."""
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
