"""Integration tests talk to the emulator on this machine, and to nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_socket import socket_allow_hosts

from airflow_polly_provider.emulator.testing import running_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.providers.common.compat.sdk import DAG

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

CONNECTION_ID = "aws_default"


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Create Airflow's metadata database in the tests' own home."""
    Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).mkdir(exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, timeout=120, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="session")
def emulator_process() -> Iterator[RunningEmulator]:
    """One emulator for the whole run; use ``emulator``, which resets it for each test."""
    with running_emulator(scheduled_seconds=0.05, in_progress_seconds=0.1) as emulator:
        yield emulator


@pytest.fixture
def emulator(emulator_process: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Polly, S3 and SNS on this machine, known to Airflow as the connection ``aws_default``."""
    emulator_process.faults.clear()
    emulator_process.counters.reset()
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", emulator_process.airflow_connection())
    return emulator_process


@pytest.fixture
def run_dag(
    airflow_database: None, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[[DAG], FinishedRun]:
    """Run a DAG in this process, and tell what a user would see of it."""
    # Airflow reads its configuration, and the database's place, while it is imported.
    from tests.integration.dag_runs import run

    return lambda dag: run(dag, capfd, caplog)
