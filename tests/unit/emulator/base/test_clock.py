from __future__ import annotations

import pytest

from airflow_polly_provider.emulator.base.clock import Clock


def test_the_emulators_clock_refuses_to_go_back() -> None:
    with pytest.raises(ValueError, match="only goes forward"):
        Clock().advance(-1)
