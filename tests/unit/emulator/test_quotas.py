from __future__ import annotations

import contextlib

import pytest

from airflow_polly_provider.emulator.clock import Clock
from airflow_polly_provider.emulator.errors import ApiError
from airflow_polly_provider.emulator.quotas import AWS_QUOTAS, QuotaKeeper, parse_quotas


class StoppedClock(Clock):
    now = 0.0

    def time(self) -> float:
        return self.now


def let_through(keeper: QuotaKeeper, operation: str, attempts: int, region="us-east-1", **parameters) -> int:
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


def test_a_burst_then_the_rate(clock, keeper):
    assert let_through(keeper, "StartSpeechSynthesisTask", 50) == 12
    clock.now += 1
    assert let_through(keeper, "StartSpeechSynthesisTask", 50) == 10


def test_what_is_over_is_throttled(keeper):
    let_through(keeper, "GetSpeechSynthesisTask", 10)
    with pytest.raises(ApiError, match="ThrottlingException"):
        keeper.spend("GetSpeechSynthesisTask", "us-east-1", {})


def test_get_and_list_share_their_quota(keeper):
    assert let_through(keeper, "GetSpeechSynthesisTask", 6) == 6
    assert let_through(keeper, "ListSpeechSynthesisTasks", 50) == 4


def test_each_engine_and_each_region_has_its_own(keeper):
    assert let_through(keeper, "StartSpeechSynthesisTask", 50, Engine="generative") == 1
    assert let_through(keeper, "StartSpeechSynthesisTask", 50, Engine="neural") == 12
    assert let_through(keeper, "StartSpeechSynthesisTask", 50, "eu-west-1", Engine="generative") == 1


def test_a_command_line_names_aws_or_its_own(clock):
    assert parse_quotas("aws") == AWS_QUOTAS
    keeper = QuotaKeeper(parse_quotas('{"read-tasks": [2, 3]}'), clock)
    assert let_through(keeper, "GetSpeechSynthesisTask", 9) == 3
    assert let_through(keeper, "StartSpeechSynthesisTask", 99) == 99


@pytest.mark.parametrize("text", ['{"reads": [1, 1]}', '{"voices": [0, 1]}', '{"voices": 3}', "[]", "fast"])
def test_what_is_no_quota_is_refused(text):
    with pytest.raises((ValueError, TypeError)):
        parse_quotas(text)
