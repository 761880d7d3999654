"""``PollyHook.estimate``: without a connection, because it sends nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from airflow_polly_provider.text import ssml
from tests.unit.support import AMY

if TYPE_CHECKING:
    from collections.abc import Iterator


def estimate(**given: Any) -> dict[str, Any]:
    return {**PollyHook(aws_conn_id="missing").estimate(**{"text": "Hello", "voice_id": "Amy"} | given)}


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"neural": 12.5, "standard": 5}')


class TestEstimate:
    def test_reports_characters_and_engine_without_a_connection_and_without_prices(self) -> None:
        assert estimate() == {
            "Engine": "standard",
            "VoiceId": "Amy",
            "OutputFormat": "mp3",
            "RequestCharacters": 5,
            "SpokenCharacters": 5,
        }

    def test_reports_the_cost_for_the_engine_as_json(self, prices: None) -> None:
        found = estimate(text="x" * 1_000, engine="neural", lexicon_names=("places",), sample_rate=24000)
        assert json.loads(json.dumps(found)) == found
        assert found == {
            "Engine": "neural",
            "VoiceId": "Amy",
            "LexiconNames": ["places"],
            "OutputFormat": "mp3",
            "SampleRate": "24000",
            "RequestCharacters": 1_000,
            "SpokenCharacters": 1_000,
            "EstimatedCost": 0.0125,
        }

    @pytest.mark.parametrize(
        "given",
        [
            {"text": ssml.speak("a & b")},
            {"text": "<speak>a &amp; b</speak>", "text_type": "ssml"},
        ],
        ids=["SSML functions", "string"],
    )
    def test_does_not_count_tags(self, given: dict[str, Any]) -> None:
        found = estimate(**given)
        assert (found["RequestCharacters"], found["TextType"]) == (5, "ssml")

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"text": " "}, "text is empty"),
            ({"text": "x" * 100_001}, "text is too long for one synthesis task"),
            ({"output_format": "wma"}, "output_format 'wma' is not one of"),
            ({"sample_rate": 1}, "sample_rate '1' is not valid"),
            ({"speech_mark_types": ["word"]}, "speech_mark_types needs output_format 'json'"),
            ({"text": "<speak>", "text_type": "ssml"}, "not well-formed"),
            ({"voice_id": ""}, "Missing required parameter: voice_id"),
        ],
    )
    def test_refuses_what_the_start_operator_refuses(self, given: dict[str, Any], words: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            estimate(**given)


class TestCheckVoice:
    @pytest.fixture(autouse=True)
    def _empty_voice_cache(self, aws_default: None) -> Iterator[None]:
        VOICE_CACHE.clear()
        yield
        VOICE_CACHE.clear()

    def test_asks_polly_and_refuses_an_engine_that_the_voice_lacks(self) -> None:
        hook = PollyHook()
        with Stubber(hook.client) as stubber:
            stubber.add_response("describe_voices", {"Voices": [AMY]})
            assert hook.estimate(text="Hello", voice_id="Amy", check_voice=True)["RequestCharacters"] == 5
            with pytest.raises(PollyInvalidRequestError, match="supports the engines"):
                hook.estimate(text="Hello", voice_id="Amy", engine="generative", check_voice=True)
