from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.wait.poller.rate_limit import SLOWEST_REQUESTS_PER_SECOND, AdaptiveRate


class Clock:
    """A clock that only ``sleep`` and the test advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


async def requests_in(rate: AdaptiveRate, clock: Clock, seconds: float) -> int:
    end, count = clock.now + seconds, 0
    while clock.now < end:
        await rate.acquire()
        count += 1
    return count


class TestAdaptiveRate:
    async def test_matches_the_configured_rate_on_average(self, clock: Clock) -> None:
        assert await requests_in(AdaptiveRate(5, clock=clock), clock, 100) == pytest.approx(500, rel=0.05)

    async def test_allows_no_burst_after_a_pause(self, clock: Clock) -> None:
        rate = AdaptiveRate(5, clock=clock)
        await rate.acquire()
        clock.now += 3600
        assert await requests_in(rate, clock, 1) <= 7

    async def test_does_not_delay_the_first_request(self, clock: Clock) -> None:
        await AdaptiveRate(0.1, clock=clock).acquire()
        assert clock.now == 1000

    def test_can_be_used_without_an_event_loop(self) -> None:
        """The caller sleeps for the returned time, whatever other callers reserve meanwhile."""
        clock = Clock()
        rate = AdaptiveRate(10, clock=clock)
        delays = [rate.reserve() for _ in range(101)]
        assert delays[0] == 0
        assert delays == sorted(delays)
        assert delays[-1] == pytest.approx(10, rel=0.1)
        clock.now += 20
        assert rate.reserve() == 0

    async def test_halves_when_throttled_and_recovers_within_a_minute(self, clock: Clock) -> None:
        rate = AdaptiveRate(8, clock=clock)
        rate.throttled()
        assert rate.current == 4
        assert await requests_in(rate, clock, 1) <= 6
        await requests_in(rate, clock, 60)
        assert rate.current == 8

    async def test_halves_only_once_for_throttling_within_a_second(self, clock: Clock) -> None:
        rate = AdaptiveRate(8, clock=clock)
        for _ in range(10):
            rate.throttled()
            clock.now += 0.05
        assert rate.current == 4
        clock.now += 1
        rate.throttled()
        assert rate.current == 2

    async def test_never_falls_below_the_slowest_rate(self, clock: Clock) -> None:
        rate = AdaptiveRate(8, clock=clock)
        for _ in range(100):
            rate.throttled()
            clock.now += 1.5
        assert rate.current == SLOWEST_REQUESTS_PER_SECOND
        began = clock.now
        await rate.acquire()
        await rate.acquire()
        assert clock.now - began <= 1.2 / SLOWEST_REQUESTS_PER_SECOND

    @given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=50))
    def test_stays_between_the_slowest_and_the_highest(self, history: list[tuple[bool, float]]) -> None:
        clock = Clock()
        rate = AdaptiveRate(5, clock=clock)
        for throttled, pause in history:
            clock.now += pause
            if throttled:
                rate.throttled()
            rate._recover(clock.now)
            assert SLOWEST_REQUESTS_PER_SECOND <= rate.current <= 5
