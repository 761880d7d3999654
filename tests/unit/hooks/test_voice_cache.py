from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from airflow_polly_provider.exceptions import PollyConfigurationError, PollyIncompleteAnswerError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE, VoiceCache
from tests.unit.support import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

AMY: Any = {"Id": "Amy", "LanguageCode": "en-GB", "SupportedEngines": ["standard", "neural"]}
ADITI: Any = {
    "Id": "Aditi",
    "LanguageCode": "en-IN",
    "AdditionalLanguageCodes": ["hi-IN"],
    "SupportedEngines": ["standard"],
}


@pytest.fixture(autouse=True)
def _empty_voice_cache(aws_default: None) -> Iterator[None]:
    VOICE_CACHE.clear()
    yield
    VOICE_CACHE.clear()


class StoppedTime:
    """A clock that stands still until a test sets it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def answering(hook: PollyHook, *answers: dict[str, Any]) -> Stubber:
    """Answer a hook's DescribeVoices requests in this order; one more request is an error."""
    stubber = Stubber(hook.client)
    for answer in answers:
        stubber.add_response("describe_voices", answer)
    stubber.activate()
    return stubber


class TestHook:
    def test_voices_requests_every_page_once_and_filters_in_memory(self) -> None:
        hook = PollyHook()
        stubber = Stubber(hook.client)
        stubber.add_response("describe_voices", {"Voices": [AMY], "NextToken": "n"}, {})
        stubber.add_response("describe_voices", {"Voices": [ADITI]}, {"NextToken": "n"})
        with stubber:
            assert hook.voices() == [AMY, ADITI]
            assert hook.voices(language_code="hi-IN") == [ADITI]
            assert hook.voices(language_code="en-GB", engine="neural") == [AMY]
            assert hook.voices(engine="generative") == []
            stubber.assert_no_pending_responses()

    def test_voices_returns_copies_so_that_changes_do_not_reach_the_cache(self) -> None:
        hook = PollyHook()
        answering(hook, {"Voices": [AMY]})
        hook.voices()[0]["SupportedEngines"].clear()
        assert hook.voices() == [AMY]

    def test_two_hooks_of_one_connection_share_one_request(self) -> None:
        first, second = PollyHook(), PollyHook()
        answering(first, {"Voices": [AMY]})
        answering(second)
        assert first.voices() == second.voices()

    @pytest.mark.parametrize(
        "other",
        [{"region_name": "us-east-1"}, {"aws_conn_id": "other"}, {"aws_conn_id": "elsewhere"}],
        ids=["region", "connection", "endpoint"],
    )
    def test_each_connection_region_and_endpoint_has_its_own_request(
        self, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))
        monkeypatch.setenv(
            "AIRFLOW_CONN_ELSEWHERE", connection(region_name="eu-west-1", endpoint_url="http://polly.test:1")
        )
        first, second = PollyHook(), PollyHook(**other)
        answering(first, {"Voices": [AMY]})
        answering(second, {"Voices": [ADITI]})
        assert (first.voices(), second.voices()) == ([AMY], [ADITI])
        assert (first.voices(), second.voices()) == ([AMY], [ADITI])

    def test_access_denied_names_the_permission_and_is_not_cached(self) -> None:
        hook = PollyHook()
        stubber = Stubber(hook.client)
        stubber.add_client_error("describe_voices", "AccessDeniedException", "no", 403)
        stubber.add_response("describe_voices", {"Voices": [AMY]})
        with stubber:
            with pytest.raises(PollyConfigurationError, match="Allow polly:DescribeVoices"):
                hook.voices()
            assert hook.voices() == [AMY]

    def test_throttling_passes_through_as_client_error(self) -> None:
        hook = PollyHook(botocore_retries=False)
        stubber = Stubber(hook.client)
        stubber.add_client_error("describe_voices", "ThrottlingException", "no", 400)
        with stubber, pytest.raises(ClientError):
            hook.voices()

    def test_a_truncated_response_is_an_error_and_is_not_cached(self) -> None:
        hook = PollyHook()
        answering(hook, {}, {"Voices": [AMY]})
        with pytest.raises(PollyIncompleteAnswerError):
            hook.voices()
        assert hook.voices() == [AMY]


class TestCache:
    def test_a_response_is_reused_until_its_lifetime_has_passed(self) -> None:
        now = StoppedTime()
        cache = VoiceCache(lifetime_seconds=10, clock=now)
        hook = PollyHook()
        answering(hook, {"Voices": [AMY]}, {"Voices": [AMY, ADITI]})
        assert len(cache.voices_for(hook)) == 1
        now.seconds = 9.9
        assert len(cache.voices_for(hook)) == 1
        now.seconds = 10.0
        assert len(cache.voices_for(hook)) == 2

    def test_a_full_cache_drops_the_least_recently_used_entry(self) -> None:
        cache = VoiceCache(most_kept=2)
        first, second, third = (
            PollyHook(region_name=name) for name in ("eu-west-1", "us-east-1", "us-west-2")
        )
        for hook in (second, third):
            answering(hook, {"Voices": [AMY]}, {"Voices": [AMY]})
        stubber = answering(first, {"Voices": [AMY]})
        for hook in (first, second, first, third, first, second):
            assert cache.voices_for(hook) == (AMY,)
        stubber.assert_no_pending_responses()
