from __future__ import annotations

import math
import time
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
from airflow_polly_provider.wait.errors import (
    CREDENTIALS_GRACE_SECONDS,
    NOT_FOUND_GRACE_SECONDS,
    CredentialsOutage,
    wait_goes_on,
)

waits = st.floats(0, 72 * 3600)


def client_error(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Get")


class TestWaitContinues:
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
    def test_not_after_an_error_that_waiting_cannot_fix(self, error: Exception) -> None:
        assert not wait_goes_on(error, waited=0)

    @given(waits)
    def test_for_a_grace_period_with_an_unknown_id(self, waited: float) -> None:
        error = PollySynthesisTaskNotFoundError("unknown")
        assert wait_goes_on(error, waited) is (waited < NOT_FOUND_GRACE_SECONDS)

    @given(waits, waits)
    def test_for_a_grace_period_without_credentials(self, waited: float, without: float) -> None:
        error = PollyCredentialsError("expired")
        assert wait_goes_on(error, waited, without) is (without < CREDENTIALS_GRACE_SECONDS)


class TestCredentialsOutage:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Return a list whose sum is the time of the monotonic clock."""
        passed = [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: sum(passed))
        return passed

    def test_lasts_from_the_first_refusal_and_continues_during_network_errors(
        self, clock: list[float]
    ) -> None:
        outage = CredentialsOutage()
        clock.append(3600)
        outage.note(PollyCredentialsError("expired"))
        assert outage.seconds == 0
        for error in (PollyCredentialsError("expired"), ReadTimeoutError(endpoint_url="polly")):
            clock.append(10)
            outage.note(error)
        assert outage.seconds == 20

    @pytest.mark.parametrize(
        "answer",
        [None, client_error("ThrottlingException", 400), PollySynthesisTaskNotFoundError("unknown")],
        ids=repr,
    )
    def test_ends_with_any_answer_that_requires_valid_credentials(
        self, clock: list[float], answer: Exception | None
    ) -> None:
        outage = CredentialsOutage()
        outage.note(PollyCredentialsError("expired"))
        clock.append(10)
        outage.note(answer)
        assert outage.seconds == 0
        assert outage.next_check_in(3600) == 3600

    def test_is_checked_soon_even_if_the_wait_has_a_long_interval(self, clock: list[float]) -> None:
        outage = CredentialsOutage()
        assert outage.next_check_in(3600) == 3600
        outage.note(PollyCredentialsError("expired"))
        assert outage.next_check_in(3600) < CREDENTIALS_GRACE_SECONDS / 10
        assert outage.next_check_in(0.5) == 0.5
