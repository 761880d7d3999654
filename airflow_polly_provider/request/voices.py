"""Selection and validation of voices by language, engine and region, based on DescribeVoices.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_Voice.html
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from types_boto3_polly.type_defs import VoiceTypeDef

DEFAULT_ENGINE = "standard"
"""The engine that Polly uses if a request has none.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html
"""

_MAX_NAMES_LISTED = 12


def languages_of(voice: VoiceTypeDef) -> list[str]:
    """Return the language codes of a voice, with its default language first.

    :param voice: a voice from DescribeVoices
    """
    return [voice.get("LanguageCode", ""), *voice.get("AdditionalLanguageCodes", ())]


def matching_voices(
    voices: Iterable[VoiceTypeDef], *, language_code: str | None = None, engine: str | None = None
) -> list[VoiceTypeDef]:
    """Return the voices for a language and an engine.

    :param voices: voices from DescribeVoices
    :param language_code: language such as ``en-GB``; bilingual voices that speak it match too; None for any
    :param engine: engine such as ``neural``; None for any
    """
    return [
        voice
        for voice in voices
        if (language_code is None or language_code in languages_of(voice))
        and (engine is None or engine in voice.get("SupportedEngines", ()))
    ]


def validate_voice(voices: Sequence[VoiceTypeDef], request: Mapping[str, Any], region: str) -> None:
    """Raise an error if a region does not support a request's combination of voice, engine and language.

    :param voices: all voices of the region
    :param request: a request with ``VoiceId``, and optionally ``Engine`` and ``LanguageCode``
    :param region: the region, for the error message
    :raises PollyInvalidRequestError: the combination is not supported; the error lists alternatives
    """
    voice_id, language_code = request["VoiceId"], request.get("LanguageCode")
    engine = request.get("Engine") or DEFAULT_ENGINE
    voice = next((voice for voice in voices if voice.get("Id") == voice_id), None)
    if voice is None:
        wrong = _unknown(voice_id, voices, region)
    else:
        wrong = _unfit(voice, engine, language_code, region, engine_given=bool(request.get("Engine")))
        language_code = language_code or voice.get("LanguageCode")
    if wrong:
        raise PollyInvalidRequestError(
            " ".join([*wrong, _alternatives(voices, language_code, engine)]).strip()
        )


def _unknown(voice_id: str, voices: Sequence[VoiceTypeDef], region: str) -> list[str]:
    known = [str(voice.get("Id")) for voice in voices]
    close = difflib.get_close_matches(voice_id, known, n=3)
    return [
        f"voice_id {voice_id!r} is not one of the {len(known)} voices that Polly has in {region}"
        f"{f' (closest: {_named(close)})' if close else ''}."
    ]


def _unfit(
    voice: VoiceTypeDef, engine: str, language_code: str | None, region: str, *, engine_given: bool
) -> list[str]:
    voice_id, engines, languages = voice.get("Id"), voice.get("SupportedEngines", []), languages_of(voice)
    wrong = []
    if engine not in engines:
        wrong.append(
            f"voice_id {voice_id!r} supports the engines {_named(engines)} in {region}, not {engine}"
            f"{'' if engine_given else ', which Polly uses if engine is not given'}."
        )
    if language_code and language_code not in languages:
        wrong.append(f"voice_id {voice_id!r} speaks {_named(languages)}, not {language_code}.")
    return wrong


def _alternatives(voices: Sequence[VoiceTypeDef], language_code: str | None, engine: str) -> str:
    if language_code is None:
        return ""
    names = [
        str(voice.get("Id")) for voice in matching_voices(voices, language_code=language_code, engine=engine)
    ]
    if not names:
        speaking = matching_voices(voices, language_code=language_code)
        engines = sorted({name for voice in speaking for name in voice.get("SupportedEngines", ())})
        return (
            f"No voice for {language_code} supports {engine} in this region. Engines for {language_code}: "
            f"{_named(engines)}."
            if engines
            else f"No voice supports {language_code} in this region."
        )
    return f"Voices for {language_code} with {engine} in this region: {_named(sorted(names))}."


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES_LISTED
    return ", ".join(names[:_MAX_NAMES_LISTED]) + (f" and {more} more" if more > 0 else "")
