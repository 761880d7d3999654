"""The metrics that a wait sends to Airflow."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.wait.poller import metrics
from tests.unit.support import Refusal, synthesis_task
from tests.unit.triggers.support import status_of, trigger

if TYPE_CHECKING:
    from datetime import timedelta

    from tests.unit.support import Wire


class Recorder:
    """The part of Airflow's Stats that the package uses."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[str, list[float]] = {}
        self.timings: list[float] = []

    def incr(self, name: str, *, tags: dict[str, Any]) -> None:
        self.counts[(name, tags["operation"], tags["outcome"])] += 1

    def gauge(self, name: str, value: float, *, tags: dict[str, Any] | None = None) -> None:
        self.gauges.setdefault(name, []).append(value)

    def timing(self, name: str, duration: timedelta) -> None:
        assert name == "polly.detection_delay"
        self.timings.append(duration.total_seconds())


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(metrics, "stats", recorder)
    return recorder


async def test_a_wait_reports_requests_waits_rate_and_detection_delay(wire: Wire, recorder: Recorder) -> None:
    wire.script(
        Refusal("ThrottlingException"),
        Refusal("ServiceFailureException", 500),
        synthesis_task(status="inProgress"),
        synthesis_task(status="completed"),
    )
    await asyncio.gather(status_of(trigger()), status_of(trigger()))
    asked = {key[2]: count for key, count in recorder.counts.items() if key[1] == "get"}
    assert asked == {"throttled": 2, "failed": 2, "ok": 4}
    assert max(recorder.gauges["polly.waits"]) == 2
    assert recorder.gauges["polly.waits"][-1] == 0
    rates = recorder.gauges["polly.status_requests_per_second"]
    assert min(rates) < max(rates)
    assert len(recorder.timings) == 2
    assert all(0 < delay < 20 for delay in recorder.timings)
