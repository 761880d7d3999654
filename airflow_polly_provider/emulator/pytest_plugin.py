"""Fixtures for testing pipelines that use Amazon Polly, without AWS.

pytest finds this module by its entry point. It imports nothing of the emulator until a fixture is used.

=========================  ==================================================================================
fixture                    what a test gets
=========================  ==================================================================================
polly_emulator             a running emulator: its URL, bucket, faults, counters and clock
                           (:class:`~airflow_polly_provider.emulator.testing.RunningEmulator`), fresh for
                           each test
polly_emulator_settings    override it to change the emulator's settings for a session
polly_connection           the same emulator, known to Airflow as the connection ``aws_default``
polly_client               a boto3 client for it
polly_bucket               the name of its bucket
=========================  ==================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator


@pytest.fixture(scope="session")
def polly_emulator_settings() -> dict[str, Any]:
    """Give the fields of :class:`~airflow_polly_provider.emulator.base.settings.Settings` that differ."""
    return {}


@pytest.fixture(scope="session")
def _polly_emulator_process(polly_emulator_settings: dict[str, Any]) -> Iterator[RunningEmulator]:
    from airflow_polly_provider.emulator.testing import running_emulator

    with running_emulator(**polly_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def polly_emulator(_polly_emulator_process: RunningEmulator) -> RunningEmulator:
    """Give a running emulator that remembers no tasks, faults or counts of other tests."""
    _polly_emulator_process.reset()
    return _polly_emulator_process


@pytest.fixture
def polly_bucket(polly_emulator: RunningEmulator) -> str:
    """Name the emulator's bucket."""
    return polly_emulator.bucket


@pytest.fixture
def polly_connection(polly_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Let Airflow know the emulator as the connection ``aws_default``."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", polly_emulator.airflow_connection())
    return polly_emulator


@pytest.fixture
def polly_client(polly_emulator: RunningEmulator) -> Iterator[Any]:
    """Give a boto3 client for the emulator."""
    import boto3

    client = boto3.client("polly", **polly_emulator.client_settings)  # type: ignore[call-overload] # keywords
    yield client
    client.close()
