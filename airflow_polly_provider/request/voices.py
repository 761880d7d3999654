"""Which voices fit what: by language, engine and region, as DescribeVoices tells them.

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
"""What Polly takes when a request names no engine.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html
"""

_MOST_NAMED = 12


def languages_of(voice: VoiceTypeDef) -> list[str]:
    """Return the codes of the languages that a voice speaks, its own first.

    :param voice: a voice as DescribeVoices gives it
    """
    return [voice.get("LanguageCode", ""), *voice.get("AdditionalLanguageCodes", ())]


def matching_voices(
    voices: Iterable[VoiceTypeDef], *, language_code: str | None = None, engine: str | None = None
) -> list[VoiceTypeDef]:
    """Return the voices for a language and an engine.

    :param voices: voices as DescribeVoices gives them
    :param language_code: such as ``en-GB``; bilingual voices that speak it count; None for any
    :param engine: such as ``neural``; None for any
    """
    return [
        voice
        for voice in voices
        if (language_code is None or language_code in languages_of(voice))
        and (engine is None or engine in voice.get("SupportedEngines", ()))
    ]


def validate_voice(voices: Sequence[VoiceTypeDef], request: Mapping[str, Any], region: str) -> None:
    """Refuse a synthesis request whose voice, engine and language do not go together in a region.

    :param voices: all voices of the region
    :param request: with ``VoiceId``, and ``Engine`` and ``LanguageCode`` where they are given
    :param region: for the error's words
    :raises PollyInvalidRequestError: naming the voices and engines that would go
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
        f"voice_id {voice_id!r} is none of the {len(known)} voices that Polly has in {region}"
        f"{f' (closest: {_named(close)})' if close else ''}."
    ]


def _unfit(
    voice: VoiceTypeDef, engine: str, language_code: str | None, region: str, *, engine_given: bool
) -> list[str]:
    voice_id, engines, languages = voice.get("Id"), voice.get("SupportedEngines", []), languages_of(voice)
    wrong = []
    if engine not in engines:
        wrong.append(
            f"voice_id {voice_id!r} has the engines {_named(engines)} in {region}, not {engine}"
            f"{'' if engine_given else ', which Polly takes where engine is not given'}."
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
            f"No voice for {language_code} has {engine} there; the engines for it are {_named(engines)}."
            if engines
            else f"There is no voice for {language_code} there."
        )
    return f"Voices for {language_code} with {engine} there: {_named(sorted(names))}."


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
