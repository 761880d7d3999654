from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.aws.task_list import only_older_follow
from tests.unit.support import CREATED, synthesis_task


def page(*hours_ago: float) -> list[dict[str, Any]]:
    """Return a page of synthesis tasks, each created the given number of hours ago."""
    return [synthesis_task(CreationTime=CREATED - timedelta(hours=hours)) for hours in hours_ago]


A_DAY_AGO = CREATED - timedelta(hours=24)


class TestOnlyOlderFollow:
    @pytest.mark.parametrize("hours_ago", [[1, 25], [1, 1, 25], [25, 30]])
    def test_is_true_after_a_page_in_descending_order_that_ends_with_a_too_old_task(
        self, hours_ago: list[float]
    ) -> None:
        assert only_older_follow(page(*hours_ago), A_DAY_AGO)

    @pytest.mark.parametrize(
        "hours_ago",
        [
            pytest.param([1, 23], id="all recent"),
            pytest.param([1, 24], id="last exactly at the limit"),
            pytest.param([30, 25], id="oldest first"),
            pytest.param([25, 1, 30], id="unordered"),
            pytest.param([25, 25], id="order unknown"),
            pytest.param([25], id="one task"),
            pytest.param([], id="no task"),
        ],
    )
    def test_is_false_after_any_other_page(self, hours_ago: list[float]) -> None:
        assert not only_older_follow(page(*hours_ago), A_DAY_AGO)

    @given(st.lists(st.floats(0, 72), max_size=8), st.integers(0, 8))
    def test_never_ends_a_list_before_a_recent_enough_task(
        self, hours_ago: list[float], page_size: int
    ) -> None:
        for tasks in (sorted(hours_ago), sorted(hours_ago, reverse=True)):
            if only_older_follow(page(*tasks[:page_size]), A_DAY_AGO):
                assert all(hours > 24 for hours in tasks[page_size:])

    def test_ignores_a_task_without_a_creation_time(self) -> None:
        tasks = page(1, 25)
        tasks.insert(1, {"TaskId": "t2"})
        assert only_older_follow(tasks, A_DAY_AGO)
