"""Fixtures for the unit tests, which have no network access."""

from __future__ import annotations

import os

import botocore.handlers
import pytest
from hypothesis import settings
from pytest_socket import disable_socket

from airflow_polly_provider.triggers import durations
from tests.unit.support import Wire, connection

# No deadline: shared machines stall at times. CI uses the same examples in each run, so that a result depends
# only on the change; elsewhere each run generates new examples.
settings.register_profile("unit", deadline=None, max_examples=100)
settings.register_profile("unit-ci", settings.get_profile("unit"), derandomize=True, database=None)
settings.load_profile("unit-ci" if os.environ.get("CI") else "unit")


@pytest.fixture(autouse=True)
def _no_network() -> None:
    disable_socket(allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _no_duration_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no trigger use an S3 client of an earlier test."""
    monkeypatch.setattr(durations, "_readers", {})


@pytest.fixture
def aws_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the connection ``aws_default`` with keys and the region eu-west-1."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1"))


@pytest.fixture
def no_default_connection(monkeypatch: pytest.MonkeyPatch, aws_default: None) -> None:
    """Remove the connection ``aws_default``, even if another fixture creates it."""
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")


@pytest.fixture
def credentials_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the machine's own credentials and the region eu-central-1 in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, aws_default: None) -> Wire:
    """Answer every Polly client that is created in the test, and requests for finished audio in S3."""
    wire = Wire()
    ours = [("before-send.polly", wire), ("before-send.s3", wire.s3)]
    handlers = [*botocore.handlers.BUILTIN_HANDLERS, *ours]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    return wire
