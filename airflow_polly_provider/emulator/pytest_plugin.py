"""Fixtures for testing pipelines that use Amazon Polly, without access to AWS.

pytest finds this module through its entry point. The module imports the emulator only when a fixture is used.

=========================  ==================================================================================
fixture                    value
=========================  ==================================================================================
polly_emulator             a running emulator: its URL, bucket, faults, counters and clock
                           (:class:`~airflow_polly_provider.emulator.testing.RunningEmulator`), reset for
                           each test
polly_emulator_settings    override this fixture to change the emulator's settings for a session
polly_connection           the same emulator, available to Airflow as the connection ``aws_default``
polly_client               a boto3 client for the emulator
polly_bucket               the name of the emulator's bucket
polly_run_dag              a function that runs a DAG against the emulator, in the test's process
                           (:func:`~airflow_polly_provider.emulator.dag_runs.run_dag`)
=========================  ==================================================================================

``polly_run_dag`` needs the pytest setting ``polly_airflow_home``: ``temporary`` for an Airflow home that is
deleted after the tests, or a folder.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.dag_runs import DagTestRun
    from airflow_polly_provider.emulator.testing import RunningEmulator

_HOME = "polly_airflow_home"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``polly_airflow_home``."""
    parser.addini(_HOME, "Airflow's home during the tests: 'temporary', or a folder", default="")


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set Airflow's home before a conftest or a test module imports Airflow."""
    home = early_config.getini(_HOME)
    if not home:
        return
    from airflow_polly_provider.emulator.dag_runs import use_home

    if home == "temporary":
        folder = Path(tempfile.mkdtemp(prefix="polly-airflow-home-"))
        early_config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    else:
        folder = early_config.rootpath / home
    try:
        use_home(folder)
    except RuntimeError as error:
        raise pytest.UsageError(
            f"{_HOME} has no effect: {error}. Find the pytest plugin that imports Airflow, and disable it."
        ) from error


@pytest.fixture(scope="session")
def polly_emulator_settings() -> dict[str, Any]:
    """Override this fixture to change settings: return the settings that differ from the defaults.

    The keys are fields of :class:`~airflow_polly_provider.emulator.base.settings.Settings`.
    """
    return {}


@pytest.fixture(scope="session")
def _polly_emulator_process(polly_emulator_settings: dict[str, Any]) -> Iterator[RunningEmulator]:
    from airflow_polly_provider.emulator.testing import running_emulator

    with running_emulator(**polly_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def polly_emulator(_polly_emulator_process: RunningEmulator) -> RunningEmulator:
    """Return a running emulator without synthesis tasks, faults or call counts from other tests."""
    _polly_emulator_process.reset()
    return _polly_emulator_process


@pytest.fixture
def polly_bucket(polly_emulator: RunningEmulator) -> str:
    """Return the name of the emulator's bucket."""
    return polly_emulator.bucket


@pytest.fixture
def polly_connection(polly_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Define the Airflow connection ``aws_default`` for the emulator, and return the emulator."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", polly_emulator.airflow_connection())
    return polly_emulator


@pytest.fixture
def polly_client(polly_emulator: RunningEmulator) -> Iterator[Any]:
    """Yield a boto3 client for the emulator."""
    import boto3

    client = boto3.client("polly", **polly_emulator.client_settings)  # type: ignore[call-overload] # keywords
    yield client
    client.close()


@pytest.fixture(scope="session")
def _airflow_database(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getini(_HOME):
        pytest.fail(
            "polly_run_dag would write to the metadata database of this machine's Airflow. Set "
            f'{_HOME} = "temporary" in the section [tool.pytest.ini_options] of pyproject.toml.',
            pytrace=False,
        )
    from airflow_polly_provider.emulator.dag_runs import create_database

    create_database()


@pytest.fixture
def polly_run_dag(_airflow_database: None, polly_connection: RunningEmulator) -> Callable[..., DagTestRun]:
    """Return a function that runs a whole DAG with the emulator as the connection ``aws_default``."""
    from airflow_polly_provider.emulator.dag_runs import run_dag

    return run_dag
