from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.waiting import (
    CREDENTIALS_GRACE_SECONDS,
    FIRST_CHECKS_EVERY_SECONDS,
    NOT_FOUND_GRACE_SECONDS,
    Schedule,
    seconds,
    wait_goes_on,
)

intervals = st.floats(0.01, 3600)
waits = st.floats(0, 72 * 3600)


def client_error(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Get")


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


class TestWaitGoesOn:
    @pytest.mark.parametrize(
        "error",
        [
            client_error("ThrottlingException", 400),
            client_error("TooManyRequestsException", 429),
            client_error("ServiceFailureException", 500),
            client_error("Gateway", 502),
            ReadTimeoutError(endpoint_url="polly"),
            PollyIncompleteAnswerError("cut"),
        ],
        ids=repr,
    )
    def test_without_limit_after_an_error_that_says_nothing_about_the_synthesis_task(
        self, error: Exception
    ) -> None:
        assert wait_goes_on(error, waited=math.inf)

    @pytest.mark.parametrize(
        "error",
        [
            client_error("SomethingElse", 400),
            PollyConfigurationError("denied"),
            PollyInvalidRequestError("malformed"),
            ValueError("unexpected"),
        ],
        ids=repr,
    )
    def test_not_after_an_error_that_waiting_cannot_change(self, error: Exception) -> None:
        assert not wait_goes_on(error, waited=0)

    @given(waits)
    def test_for_a_grace_period_with_an_unknown_id(self, waited: float) -> None:
        error = PollySynthesisTaskNotFoundError("unknown")
        assert wait_goes_on(error, waited) is (waited < NOT_FOUND_GRACE_SECONDS)

    @given(waits, waits)
    def test_for_a_grace_period_without_credentials(self, waited: float, without: float) -> None:
        error = PollyCredentialsError("expired")
        assert wait_goes_on(error, waited, without) is (without < CREDENTIALS_GRACE_SECONDS)
