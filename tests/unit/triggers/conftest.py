from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.triggers import requests

if TYPE_CHECKING:
    from tests.unit.support import Wire


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """The service of these tests has no quota, and lets nobody list."""
    wire.may_list = False
    monkeypatch.setattr(requests, "status_requests_per_second", lambda: 500.0)
