"""Polly's voices: what DescribeVoices returns, and how each voice sounds in the emulator."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from airflow_polly_provider.emulator.base.errors import ApiError, invalid
from airflow_polly_provider.emulator.base.service_model import load_service_model

_DEFAULT_ENGINE = "standard"

# espeak's names of languages, where they differ from the part of Polly's language code before the hyphen.
_ESPEAK_LANGUAGES = {
    "arb": "ar",
    "cmn": "cmn",
    "yue": "yue",
    "nb": "nb",
    "en-GB": "en",
    "en-GB-WLS": "en-gb-scotland",
    "en-IE": "en",
    "en-AU": "en-gb-x-rp",
    "en-NZ": "en-gb-x-rp",
    "en-ZA": "en-gb-x-rp",
    "en-SG": "en-gb-x-rp",
    "en-IN": "en-gb-x-gbclan",
    "en-US": "en-us",
    "es-MX": "es-419",
    "es-US": "es-419",
    "pt-BR": "pt-br",
    "fr-BE": "fr-be",
    "de-CH": "de",
    "fr-FR": "fr",
}
_VARIANTS = {"Female": ("f1", "f2", "f3", "f4", "f5"), "Male": ("m1", "m2", "m3", "m4", "m7", "m8")}


@dataclass(frozen=True)
class Sound:
    """The espeak settings for a voice.

    :param espeak_voice: espeak's voice name with its variant.
    :param pitch: the pitch, 0 to 99.
    :param words_per_minute: the speed.
    """

    espeak_voice: str
    pitch: int
    words_per_minute: int


@functools.cache
def voice_table() -> dict[str, dict[str, Any]]:
    """Return the known properties of each voice, by VoiceId."""
    text = files("airflow_polly_provider.emulator.base").joinpath("voices.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = json.loads(text)["voices"]
    return table


def describe(voice_id: str) -> dict[str, Any]:
    """Return a voice in the format of DescribeVoices.

    :param voice_id: Polly's VoiceId. A voice that is not in the table is treated as a female US English voice
        that supports all engines.
    """
    known = voice_table().get(voice_id)
    if known is None:
        known = {
            "Name": voice_id,
            "Gender": "Female",
            "LanguageCode": "en-US",
            "LanguageName": "US English",
            "SupportedEngines": _all_engines(),
        }
    return {"Id": voice_id, **{name: value for name, value in known.items() if name != "Assumed"}}


@functools.cache
def _all_engines() -> list[str]:
    return list(getattr(load_service_model().shape_for("Engine"), "enum", []))


def check_voice(request: dict[str, Any]) -> None:
    """Check that the voice of a synthesis request supports the request's engine and language.

    :param request: members of the API request.
    :raises ApiError: if Polly would reject the request.
    """
    voice = describe(request["VoiceId"])
    engine = request.get("Engine") or _DEFAULT_ENGINE
    if engine not in voice["SupportedEngines"]:
        # This message was reported for requests with and without an engine: hoffm/the-weather-in-brooklyn 1,
        # amazon-polly-tts-for-windows 19.
        raise invalid(f"This voice does not support the selected engine: {engine}")
    language = request.get("LanguageCode")
    if language and language not in languages_of(voice):
        raise ApiError("LanguageNotSupportedException", f"{voice['Id']} does not speak {language}")


def languages_of(voice: dict[str, Any]) -> list[str]:
    """Return the languages of a voice, with its main language first.

    :param voice: the voice, as DescribeVoices returns it.
    """
    return [voice["LanguageCode"], *voice.get("AdditionalLanguageCodes", [])]


def espeak_language(language_code: str) -> str:
    """Return espeak's name for a language.

    :param language_code: Polly's LanguageCode.
    """
    head = language_code.partition("-")[0]
    return _ESPEAK_LANGUAGES.get(language_code) or _ESPEAK_LANGUAGES.get(head, head)


def sound_of(voice_id: str, language_code: str | None) -> Sound:
    """Return a voice's espeak settings. Each voice always has the same settings.

    :param voice_id: Polly's VoiceId.
    :param language_code: the requested language of a bilingual voice; None for the voice's main language.
    """
    voice = describe(voice_id)
    variants = _VARIANTS[voice["Gender"]]
    number = sum(voice_id.encode())
    language = espeak_language(language_code or voice["LanguageCode"])
    # Voices with the same variant differ in pitch and speed. This applies to adults' and children's voices.
    return Sound(f"{language}+{variants[number % len(variants)]}", 42 + number % 17, 165 + number % 19)
