from __future__ import annotations

import functools
from typing import Any

from airflow_polly_provider.hooks.voice_cache import VoiceCache, VoiceSource
from tests.unit.support import ADITI, AMY


class StoppedTime:
    """A clock that stands still until a test sets it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


SOURCE = VoiceSource("aws_default", "eu-west-1", "https://polly.eu-west-1.amazonaws.com")


class TestCache:
    def test_a_response_is_reused_until_its_lifetime_has_passed(self) -> None:
        now = StoppedTime()
        cache = VoiceCache(lifetime_seconds=10, clock=now)
        answers = iter([[AMY], [AMY, ADITI]])
        assert len(cache.voices_of(SOURCE, lambda: next(answers))) == 1
        now.seconds = 9.9
        assert len(cache.voices_of(SOURCE, lambda: next(answers))) == 1
        now.seconds = 10.0
        assert len(cache.voices_of(SOURCE, lambda: next(answers))) == 2

    def test_a_full_cache_drops_the_least_recently_used_entry(self) -> None:
        cache = VoiceCache(most_kept=2)
        first, second, third = (
            SOURCE._replace(region=name) for name in ("eu-west-1", "us-east-1", "us-west-2")
        )
        fetched = []

        def fetch(source: VoiceSource) -> list[Any]:
            fetched.append(source)
            return [AMY]

        for source in (first, second, first, third, first, second):
            assert cache.voices_of(source, functools.partial(fetch, source)) == (AMY,)
        assert fetched == [first, second, third, second]
