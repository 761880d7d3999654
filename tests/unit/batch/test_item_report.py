from __future__ import annotations

import pytest

from airflow_polly_provider.batch.item_report import MAX_LISTED, ItemProblems, ItemWarnings
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.support import warnings_in


class TestItemProblems:
    def test_without_invalid_items_there_is_no_error(self) -> None:
        ItemProblems().raise_if_any(3)

    @pytest.mark.parametrize("invalid", [1, MAX_LISTED, MAX_LISTED + 1, 2_000])
    def test_the_error_lists_fifty_items_and_counts_the_others(self, invalid: int) -> None:
        problems = ItemProblems()
        for number in range(invalid):
            problems.add(f"item-{number}", ["One is wrong.", "Two is wrong."])
        with pytest.raises(PollyInvalidRequestError) as refused:
            problems.raise_if_any(3_000)
        first, *lines = str(refused.value).splitlines()
        assert f"Invalid items: {invalid:,} of 3,000" in first
        listed = min(invalid, MAX_LISTED)
        assert lines[:listed] == [f"item-{number}: One is wrong. Two is wrong." for number in range(listed)]
        assert lines[listed:] == ([f"and {invalid - MAX_LISTED:,} more"] if invalid > MAX_LISTED else [])

    def test_a_very_long_problem_is_cut(self) -> None:
        problems = ItemProblems()
        problems.add("a", ["x" * 100_000])
        with pytest.raises(PollyInvalidRequestError) as refused:
            problems.raise_if_any(1)
        assert len(str(refused.value)) < 1_300


class TestItemWarnings:
    def test_logs_each_distinct_warning_once_with_its_number_and_first_item(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        warnings = ItemWarnings()
        for warnings.item_id, voice in [("a", "X"), ("b", "Y"), ("c", "X")]:
            warnings.warn("unknown voice %r", voice)
        warnings.log_all()
        assert warnings_in(caplog) == [
            "unknown voice 'X' (items: 2, first: a)",
            "unknown voice 'Y' (items: 1, first: b)",
        ]

    def test_logs_at_most_twenty_and_the_number_of_the_others(self, caplog: pytest.LogCaptureFixture) -> None:
        warnings = ItemWarnings()
        for number in range(100):
            warnings.warn("unknown voice %d", number)
        warnings.log_all()
        assert len(warnings_in(caplog)) == 21
        assert "80 more warnings" in warnings_in(caplog)[-1]
