from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyFinalError, PollyInvalidRequestError
from airflow_polly_provider.request.voices import (
    languages_of,
    matching_voices,
    validate_voice,
)


def voice(voice_id: str, language: str, *engines: str, also: list[str] | None = None) -> Any:
    return {
        "Id": voice_id,
        "LanguageCode": language,
        "SupportedEngines": list(engines),
        **({"AdditionalLanguageCodes": also} if also else {}),
    }


VOICES = [
    voice("Amy", "en-GB", "standard", "neural"),
    voice("Brian", "en-GB", "standard", "neural"),
    voice("Aditi", "en-IN", "standard", also=["hi-IN"]),
    voice("Kajal", "en-IN", "neural", also=["hi-IN"]),
    voice("Olivia", "en-AU", "neural"),
]


class TestMatchingVoices:
    @pytest.mark.parametrize(
        ("wanted", "ids"),
        [
            ({}, ["Amy", "Brian", "Aditi", "Kajal", "Olivia"]),
            ({"language_code": "en-GB"}, ["Amy", "Brian"]),
            ({"language_code": "hi-IN"}, ["Aditi", "Kajal"]),
            ({"engine": "neural"}, ["Amy", "Brian", "Kajal", "Olivia"]),
            ({"language_code": "hi-IN", "engine": "neural"}, ["Kajal"]),
            ({"language_code": "tlh"}, []),
        ],
    )
    def test_are_those_with_the_language_and_the_engine(self, wanted: dict[str, str], ids: list[str]) -> None:
        assert [found["Id"] for found in matching_voices(VOICES, **wanted)] == ids

    def test_languages_of_a_bilingual_voice_start_with_its_main_language(self) -> None:
        assert languages_of(VOICES[2]) == ["en-IN", "hi-IN"]


FITTING: list[dict[str, str]] = [
    {"VoiceId": "Amy"},
    {"VoiceId": "Amy", "Engine": "neural", "LanguageCode": "en-GB"},
    {"VoiceId": "Aditi", "LanguageCode": "hi-IN"},
]
UNFIT: dict[str, tuple[dict[str, str], list[str]]] = {
    "unknown": (
        {"VoiceId": "Olivja"},
        ["'Olivja' is not one of the 5 voices", "in eu-west-1", "closest: Olivia"],
    ),
    "unknown, with a language": (
        {"VoiceId": "Xyz", "LanguageCode": "en-GB", "Engine": "neural"},
        ["'Xyz' is not one of the 5 voices", "Voices for en-GB with neural in this region: Amy, Brian."],
    ),
    "engine": (
        {"VoiceId": "Aditi", "Engine": "neural"},
        [
            "'Aditi' supports the engines standard in eu-west-1, not neural.",
            "Voices for en-IN with neural in this region: Kajal.",
        ],
    ),
    "default engine": (
        {"VoiceId": "Olivia"},
        [
            "'Olivia' supports the engines neural in eu-west-1, not standard, ",
            "which Polly uses if engine is not given.",
            "No voice for en-AU supports standard in this region. Engines for en-AU: neural.",
        ],
    ),
    "language": (
        {"VoiceId": "Amy", "LanguageCode": "hi-IN"},
        ["'Amy' speaks en-GB, not hi-IN.", "Voices for hi-IN with standard in this region: Aditi."],
    ),
    "engine and language": (
        {"VoiceId": "Amy", "LanguageCode": "en-AU", "Engine": "long-form"},
        ["not long-form.", "not en-AU.", "No voice for en-AU supports long-form in this region"],
    ),
    "language that no voice speaks": (
        {"VoiceId": "Amy", "LanguageCode": "tlh"},
        ["not tlh.", "No voice supports tlh in this region."],
    ),
}


def refusal_of(voices: list[Any], request: dict[str, str]) -> PollyInvalidRequestError | None:
    """Return the error that refuses a request's voice, or None if the voice is accepted."""
    try:
        validate_voice(voices, request, "eu-west-1")
    except PollyInvalidRequestError as error:
        return error
    return None


class TestVoiceCheck:
    @pytest.mark.parametrize("requested", FITTING, ids=str)
    def test_accepts_a_voice_with_the_language_and_the_engine(self, requested: dict[str, str]) -> None:
        assert refusal_of(VOICES, requested) is None

    @pytest.mark.parametrize(("requested", "words"), UNFIT.values(), ids=UNFIT)
    def test_refuses_any_other_voice_with_a_final_error_that_names_alternatives(
        self, requested: dict[str, str], words: list[str]
    ) -> None:
        refusal = refusal_of(VOICES, requested)
        assert isinstance(refusal, PollyFinalError)
        for word in words:
            assert word in str(refusal)

    def test_names_at_most_twelve_alternatives(self) -> None:
        many = [voice(f"Voice{number:02}", "en-GB", "neural") for number in range(20)]
        refusal = refusal_of(many, {"VoiceId": "x", "LanguageCode": "en-GB", "Engine": "neural"})
        assert "Voice11 and 8 more" in str(refusal)
