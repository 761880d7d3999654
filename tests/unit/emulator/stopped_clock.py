from __future__ import annotations

from airflow_polly_provider.emulator.base.clock import Clock


class StoppedClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
