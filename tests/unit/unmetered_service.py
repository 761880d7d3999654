"""Fixtures: a Polly service without quotas that denies lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import connection

if TYPE_CHECKING:
    from tests.unit.support import Wire


@pytest.fixture(scope="session", autouse=True)
def _first_client() -> None:
    """Create a client before any test measures time: the first in a process takes a second or more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1"))
        PollyHook().client.close()


@pytest.fixture(autouse=True)
def _service_without_quota(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    wire.may_list = False
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "500")
