from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.wait.schedule import FIRST_CHECKS_EVERY_SECONDS, Schedule, seconds

intervals = st.floats(0.01, 3600)
waits = st.floats(0, 72 * 3600)


class TestSchedule:
    @given(intervals, waits)
    def test_never_exceeds_the_poke_interval(self, poke_interval: float, waited: float) -> None:
        assert 0 < Schedule(poke_interval).next_check_in(waited) <= poke_interval

    @given(intervals, waits)
    def test_checks_again_within_a_quarter_of_the_time_waited(
        self, poke_interval: float, waited: float
    ) -> None:
        longest = max(FIRST_CHECKS_EVERY_SECONDS, waited / 4)
        assert Schedule(poke_interval).next_check_in(waited) <= longest

    @given(intervals, waits, waits)
    def test_checks_less_often_the_longer_it_has_waited(
        self, poke_interval: float, one: float, other: float
    ) -> None:
        schedule = Schedule(poke_interval)
        assert schedule.next_check_in(min(one, other)) <= schedule.next_check_in(max(one, other))

    def test_with_exponential_backoff_doubles_the_interval_up_to_max_wait(self) -> None:
        schedule = Schedule(5, exponential_backoff=True, max_wait=35)
        waited, intervals = 0.0, []
        for _ in range(6):
            intervals.append(schedule.next_check_in(waited))
            waited += intervals[-1]
        assert intervals == [5, 5, 10, 20, 35, 35]

    @given(st.floats(0, 1e6))
    def test_accepts_a_duration_as_number_or_timedelta(self, duration: float) -> None:
        assert seconds(duration) == duration
        assert seconds(timedelta(seconds=duration)) == pytest.approx(duration, abs=1e-6)
