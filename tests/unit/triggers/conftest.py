"""The service of these tests has no quota, and lets nobody list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.support import Wire


@pytest.fixture(autouse=True)
def _service_without_quota(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    wire.may_list = False
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "500")
