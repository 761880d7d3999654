from __future__ import annotations

import pytest

from airflow_polly_provider.emulator.base.clock import Clock


@pytest.mark.parametrize("seconds", [-1, 1e18, float("nan"), float("inf")])
def test_the_emulators_clock_goes_forward_by_a_century_at_most(seconds: float) -> None:
    with pytest.raises(ValueError, match="can only move forward, by at most a century"):
        Clock().advance(seconds)
