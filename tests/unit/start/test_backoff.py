from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.start.backoff import full_jitter


class TestFullJitter:
    # Far more failures than are possible in the hour for which a start is retried.
    @given(st.integers(1, 1000), st.floats(0.1, 3600))
    def test_is_between_zero_and_a_limit_that_doubles_with_each_failure(
        self, failures: int, longest: float
    ) -> None:
        assert 0 <= full_jitter(failures, longest) <= min(longest, 2.0**failures)

    @pytest.mark.parametrize(("failures", "limit"), [(1, 2), (2, 4), (5, 32), (6, 60), (7, 60)])
    def test_spreads_over_the_whole_range(self, failures: int, limit: float) -> None:
        """With similar pauses, requests that failed at the same time would collide again."""
        pauses = sorted(full_jitter(failures, 60) for _ in range(1000))
        # By chance, these fail in fewer than one of 10^8 runs.
        assert pauses[0] < limit / 20
        assert pauses[-1] > limit * 19 / 20
        assert pauses[500] == pytest.approx(limit / 2, rel=0.2)
