from __future__ import annotations

from typing import Any

import pytest
from botocore.validate import validate_parameters

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.speech_request import SPEECH_SAMPLE_RATES, build_speech_request
from airflow_polly_provider.synthesis_request import build_request
from tests.unit.support import MODEL

VALID: dict[str, Any] = {"OutputFormat": "mp3", "Text": "Hello", "VoiceId": "Amy"}


def request_with(**changes: Any) -> dict[str, Any]:
    return build_speech_request(**{**VALID, **changes})


def test_a_request_with_every_parameter_is_valid_for_polly() -> None:
    request = request_with(
        Engine="neural",
        LanguageCode="en-GB",
        LexiconNames=["one"],
        OutputFormat="json",
        SpeechMarkTypes=["word", "ssml"],
        Text="<speak>Hello</speak>",
        TextType="ssml",
    )
    validate_parameters(request, MODEL.shape_for("SynthesizeSpeechInput"))
    assert len(request) == 8


@pytest.mark.parametrize(("output_format", "rates"), SPEECH_SAMPLE_RATES.items())
def test_every_documented_sample_rate_is_accepted(output_format: str, rates: tuple[str, ...]) -> None:
    for rate in rates:
        assert request_with(OutputFormat=output_format, SampleRate=int(rate))["SampleRate"] == rate


@pytest.mark.parametrize("output_format", ["mp3", "ogg_vorbis"])
@pytest.mark.parametrize("rate", ["44100", "48000"])
def test_rates_of_44100_and_48000_are_accepted_here_but_not_for_a_synthesis_task(
    output_format: str, rate: str
) -> None:
    changes = {"OutputFormat": output_format, "SampleRate": rate}
    assert request_with(**changes)["SampleRate"] == rate
    with pytest.raises(PollyInvalidRequestError, match=rate):
        build_request(**{**VALID, **changes}, OutputS3BucketName="bucket")


@pytest.mark.parametrize(
    ("text", "text_type"),
    [
        ("x" * 3_000, "text"),
        (f"<speak>{'x' * 3_000}</speak>", "ssml"),
        (f"<speak>{'<s>x</s>' * 748}</speak>", "ssml"),
    ],
)
def test_a_text_at_the_limit_is_accepted(text: str, text_type: str) -> None:
    assert request_with(Text=text, TextType=text_type)["Text"] == text


@pytest.mark.parametrize(
    ("text", "text_type", "words"),
    [
        ("x" * 3_001, "text", ["3,001 characters, 3,001 of them billed", "3,000 billed"]),
        (f"<speak>{'x' * 3_001}</speak>", "ssml", ["3,001 of them billed"]),
        (f"<speak>{'<p/>' * 1_500}</speak>", "ssml", ["6,015 characters, 0 of them billed", "6,000 in all"]),
    ],
)
def test_a_text_above_the_limit_is_refused_naming_the_operator_that_accepts_it(
    text: str, text_type: str, words: list[str]
) -> None:
    with pytest.raises(PollyInvalidRequestError) as refused:
        request_with(Text=text, TextType=text_type)
    for word in ("SynthesizeSpeech", "PollyStartSpeechSynthesisTaskOperator", "expand", *words):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"Text": ""}, "text is empty"),
        ({"VoiceId": None}, "voice_id"),
        ({"OutputFormat": "wav"}, "output_format 'wav'"),
        ({"OutputFormat": "pcm", "SampleRate": "44100"}, "sample_rate '44100'"),
        ({"SpeechMarkTypes": ["word"]}, "speech_mark_types"),
        ({"LexiconNames": "one"}, "lexicon_names must be a list"),
    ],
)
def test_a_parameter_that_polly_would_refuse_is_refused_by_name(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match=word):
        request_with(**changes)
