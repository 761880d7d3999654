"""Fixtures: a stopped clock, a fixed time zone, and an AWS account without a network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.persisted_formats.support import NOW, Account

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock that deadlines and start times are read from."""
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    """Set the time zone to UTC: botocore returns times in the local time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, aws_default: None) -> Account:
    """Answer every Polly and S3 client that is created in the test."""
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "500")
    account = Account()
    account.install(monkeypatch)
    return account
