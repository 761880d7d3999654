"""Fixtures: a Polly service without quotas that denies lists."""

from __future__ import annotations

from tests.unit.unmetered_service import _first_client, _service_without_quota

__all__ = ["_first_client", "_service_without_quota"]
