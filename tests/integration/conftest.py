"""Fixtures for the integration tests, which only send requests to the emulator on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_socket import socket_allow_hosts

from airflow_polly_provider.emulator.dag_runs import create_database
from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.aws_clients import client_of
from tests.integration.s3_calls import S3Calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

CONNECTION_ID = "aws_default"


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Create Airflow's metadata database in the Airflow home of this process, like ``airflow db migrate``."""
    Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).mkdir(exist_ok=True)
    create_database()


@pytest.fixture(scope="session")
def emulator_process() -> Iterator[RunningEmulator]:
    """Run one emulator for all tests of this process. Tests use ``emulator``, which resets it."""
    with running_emulator(audio="none", scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def speaking_emulator_process() -> Iterator[RunningEmulator]:
    """Run an emulator like ``emulator_process``, but with audio. Tests use ``speaking_emulator``."""
    with running_emulator(scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator:
        yield emulator


@pytest.fixture
def emulator(emulator_process: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return an emulator of Polly, S3 and SNS. The connection ``aws_default`` points to it.

    Synthesis tasks complete without an object, because each audio file would need a process.
    """
    return prepare(emulator_process, monkeypatch)


@pytest.fixture
def speaking_emulator(
    speaking_emulator_process: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> RunningEmulator:
    """Return an emulator like ``emulator`` whose synthesis tasks write their objects."""
    return prepare(speaking_emulator_process, monkeypatch)


@pytest.fixture(scope="module")
def tone_emulator() -> Iterator[RunningEmulator]:
    """Run an emulator that writes a tone for each text, which takes less time than speech."""
    with running_emulator(audio="tone", scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator:
        yield emulator


@pytest.fixture
def polly(tone_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return the emulator with tones, with an empty bucket and without tasks of earlier tests."""
    prepare(tone_emulator, monkeypatch).reset()
    return tone_emulator


@pytest.fixture
def s3_calls(monkeypatch: pytest.MonkeyPatch) -> S3Calls:
    """Record the S3 requests of the test's operators."""
    calls = S3Calls()
    calls.install(monkeypatch)
    return calls


def prepare(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    emulator.faults.clear()
    emulator.counters.reset()
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", emulator.airflow_connection())
    return emulator


@pytest.fixture
def s3(emulator_process: RunningEmulator) -> Iterator[Any]:
    """Yield an S3 client. All emulators in a process share one S3."""
    with client_of(emulator_process, "s3") as client:
        yield client


@pytest.fixture
def run_dag(
    airflow_database: None, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> RunDag:
    """Return a function that runs a DAG in this process and returns what a user would see."""
    # Imported here, because importing Airflow takes seconds and most emulator tests do not need it.
    from tests.integration.dag_runs import run

    def run_in_this_process(dag: DAG, conf: dict[str, Any] | None = None) -> FinishedRun:
        return run(dag, capfd, caplog, conf=conf)

    return run_in_this_process


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten pauses and grace periods that would only slow down a test."""
    package = "airflow_polly_provider"
    monkeypatch.setattr(f"{package}.wait.errors.NOT_FOUND_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(f"{package}.wait.schedule.FIRST_CHECKS_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(f"{package}.start.retry.LONGEST_BACK_OFF_SECONDS", 0.05)
    monkeypatch.setattr(f"{package}.start.durable.LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(f"{package}.start.task_search.PAGES_PER_SECOND", 50.0)
    monkeypatch.setattr(f"{package}.start.task_search.LONGEST_BACK_OFF_SECONDS", 0.05)
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0.2")
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "50")
