from __future__ import annotations

import pytest

from airflow_polly_provider.emulator.base.clock import Clock


@pytest.mark.parametrize("seconds", [-1, 1e18, float("nan"), float("inf")])
def test_moving_the_emulators_clock_back_or_by_more_than_a_century_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="can only move forward, by at most a century"):
        Clock().advance(seconds)
