from __future__ import annotations

import contextlib
import re

import pytest

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS, QuotaKeeper, parse_quotas
from tests.unit.emulator.stopped_clock import StoppedClock


def accepted(
    keeper: QuotaKeeper, operation: str, attempts: int, region: str = "us-east-1", **parameters: str
) -> int:
    """Send several requests at once, and return how many are not throttled."""
    passed = 0
    for _ in range(attempts):
        with contextlib.suppress(ApiError):
            keeper.spend(operation, region, parameters)
            passed += 1
    return passed


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def keeper(clock: StoppedClock) -> QuotaKeeper:
    return QuotaKeeper(AWS_QUOTAS, clock)


def test_a_burst_is_accepted_then_requests_at_the_quotas_rate(
    clock: StoppedClock, keeper: QuotaKeeper
) -> None:
    assert accepted(keeper, "StartSpeechSynthesisTask", 50) == 12
    clock.advance(1)
    assert accepted(keeper, "StartSpeechSynthesisTask", 50) == 10


def test_a_request_above_the_quota_is_throttled(keeper: QuotaKeeper) -> None:
    assert accepted(keeper, "GetSpeechSynthesisTask", 10) == 10
    with pytest.raises(ApiError, match="ThrottlingException"):
        keeper.spend("GetSpeechSynthesisTask", "us-east-1", {})


def test_get_and_list_share_one_quota(keeper: QuotaKeeper) -> None:
    assert accepted(keeper, "GetSpeechSynthesisTask", 6) == 6
    assert accepted(keeper, "ListSpeechSynthesisTasks", 50) == 4


def test_each_engine_and_each_region_has_its_own_quota(keeper: QuotaKeeper) -> None:
    assert accepted(keeper, "StartSpeechSynthesisTask", 50, Engine="generative") == 1
    assert accepted(keeper, "StartSpeechSynthesisTask", 50, Engine="neural") == 12
    assert accepted(keeper, "StartSpeechSynthesisTask", 50, "eu-west-1", Engine="generative") == 1


def test_the_command_line_accepts_awss_quotas_and_custom_quotas(clock: StoppedClock) -> None:
    assert parse_quotas("aws") == AWS_QUOTAS
    keeper = QuotaKeeper(parse_quotas('{"read-tasks": [2, 3]}'), clock)
    assert accepted(keeper, "GetSpeechSynthesisTask", 9) == 3
    assert accepted(keeper, "StartSpeechSynthesisTask", 99) == 99


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"reads": [1, 1]}', "Unknown quota 'reads'"),
        ('{"voices": [0, 1]}', "'voices' needs a rate above 0 and a burst of at least 1"),
        ('{"voices": 3}', "'voices' must be two numbers"),
        ('{"voices": [1]}', "'voices' must be two numbers"),
        ('{"voices": ["1", "1"]}', "'voices' must be two numbers"),
        ('{"voices": [true, 1]}', "'voices' must be two numbers"),
        ('{"voices": [NaN, 1]}', "'voices' must be two numbers"),
        ("[]", "must be 'aws' or a JSON object"),
        ("fast", "must be 'aws' or a JSON object"),
        ("[" * 100_000, "must be 'aws' or a JSON object"),
    ],
)
def test_malformed_quotas_on_the_command_line_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_quotas(text)
