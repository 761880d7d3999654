"""Functions that build SSML for Polly. They escape text and check attribute values.

Each function returns a piece of :class:`~airflow_polly_provider.text.markup.Ssml`. The content of a piece can
be strings, numbers and other pieces. In templates the functions are ``macros.polly.speak``,
``macros.polly.pause`` and so on.

A value that AWS's SSML documentation excludes raises an error. If W3C's SSML allows a value that AWS's
documentation does not mention, the value is sent and a warning is logged. Polly then accepts or rejects the
value.

Sources: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html, which also lists the engines that
support each tag; https://docs.aws.amazon.com/polly/latest/dg/limits.html;
https://www.w3.org/TR/speech-synthesis11/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_polly_provider.exceptions import PollySsmlError
from airflow_polly_provider.text import limits
from airflow_polly_provider.text.markup import Ssml, SsmlDocument, content, element
from airflow_polly_provider.text.ssml_values import (
    NUMBER,
    duration_value,
    non_empty,
    one_of,
    rate_value,
    warn_unnamed,
)

if TYPE_CHECKING:
    from datetime import timedelta

MAX_PAUSE_SECONDS = 10
"""Maximum length of a ``<break>`` in seconds."""

INTERPRET_AS = (
    *("characters", "spell-out", "cardinal", "number", "ordinal", "digits", "fraction"),
    *("unit", "date", "time", "address", "expletive", "telephone"),
)
"""Values of ``interpret_as`` in :func:`say_as`."""

DATE_FORMATS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd")
"""Values of ``format`` in :func:`say_as`, for dates."""

_STRENGTHS = ("none", "x-weak", "weak", "medium", "strong", "x-strong")
_LEVELS = ("strong", "moderate", "reduced")
_PITCHES = ("default", "x-low", "low", "medium", "high", "x-high")
_VOLUMES = ("default", "silent", "x-soft", "soft", "medium", "loud", "x-loud")
_ROLES = ("VB", "VBD", "DT", "IN", "JJ", "NN", "DEFAULT", "SENSE_1")

_CHANGE = re.compile(rf"[+-]{NUMBER}%")
_DECIBELS = re.compile(rf"[+-]{NUMBER}dB")
_VOCAL_TRACT = re.compile(rf"[+-]?{NUMBER}%")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*")
_ALPHABET = re.compile(r"ipa|x-sampa|x-amazon-[a-z-]+")
# Values that W3C's SSML 1.0 or 1.1 allows, but AWS's SSML documentation does not mention.
_OTHER_LEVEL = re.compile("none")
_OTHER_PITCH = re.compile(rf"[+-]?{NUMBER}(?:%|Hz|st)")
_OTHER_VOLUME = re.compile(rf"[+-]?{NUMBER}(?:%|dB)?")
_OTHER_TYPE = re.compile("default")
_ANYTHING = re.compile(r"(?s).*")
_OTHER_ROLE = re.compile(r"\S+")


def escape(*parts: str | float | Ssml) -> Ssml:
    """Return escaped text. Polly speaks ``&`` and ``<`` in it and does not read them as markup.

    :param parts: strings, numbers and SSML, joined in this order
    :raises PollySsmlError: a string contains a character that XML does not allow, such as most control
        characters
    """
    return Ssml(content(*parts))


def speak(*parts: str | float | Ssml) -> SsmlDocument:
    """Return a complete SSML document (``<speak>``), for an operator's ``text`` with ``text_type="ssml"``.

    :param parts: content to speak
    """
    return SsmlDocument(f"<speak>{content(*parts)}</speak>")


def p(*parts: str | float | Ssml) -> Ssml:
    """Return a paragraph (``<p>``).

    :param parts: content to speak
    """
    return element("p", *parts)


def s(*parts: str | float | Ssml) -> Ssml:
    """Return a sentence (``<s>``).

    :param parts: content to speak
    """
    return element("s", *parts)


def pause(*, time: str | timedelta | None = None, strength: str | None = None) -> Ssml:
    """Return a pause (``<break>``). By default, it is as long as the pause after a comma.

    :param time: length such as ``500ms``, ``1.5s`` or a timedelta; at most 10 seconds
    :param strength: ``none``, ``x-weak``, ``weak``, ``medium``, ``strong`` or ``x-strong``; usually given
        instead of ``time``. If both are given, they are sent and a warning is logged
    :raises PollySsmlError: Polly does not accept a value
    """
    if time is not None and strength is not None:
        warn_unnamed("a pause with a time and a strength")
    return element(
        "break",
        time=duration_value("time", time, max_seconds=MAX_PAUSE_SECONDS),
        strength=one_of("strength", strength, _STRENGTHS),
    )


def emphasis(*parts: str | float | Ssml, level: str = "moderate") -> Ssml:
    """Return emphasized speech (``<emphasis>``); standard voices only.

    :param parts: content to speak
    :param level: ``strong``, ``moderate`` (default) or ``reduced``
    :raises PollySsmlError: Polly does not accept the level
    """
    return element("emphasis", *parts, level=one_of("level", level, _LEVELS, other=_OTHER_LEVEL))


def prosody(
    *parts: str | float | Ssml,
    rate: str | None = None,
    pitch: str | None = None,
    volume: str | None = None,
    max_duration: str | timedelta | None = None,
) -> Ssml:
    """Return speech with a different rate, pitch, volume or maximum duration (``<prosody>``).

    :param parts: content to speak
    :param rate: ``x-slow``, ``slow``, ``medium``, ``fast``, ``x-fast``, a percentage of the voice's normal
        rate such as ``85%``, or a change such as ``-10%``. The minimum is ``20%`` (``-80%``). Not every
        engine supports rates above ``200%``
    :param pitch: ``default``, ``x-low``, ``low``, ``medium``, ``high``, ``x-high``, or a change such as
        ``+5%``; standard voices only
    :param volume: ``default``, ``silent``, ``x-soft``, ``soft``, ``medium``, ``loud``, ``x-loud``, or a
        change such as ``-6dB``
    :param max_duration: maximum duration of the speech, such as ``2s`` or a timedelta; cannot be combined
        with ``rate``; standard voices only
    :raises PollySsmlError: no parameter is given, ``rate`` and ``max_duration`` are both given, or Polly does
        not accept a value
    """
    if rate is None and pitch is None and volume is None and max_duration is None:
        raise PollySsmlError("prosody needs at least one of rate, pitch, volume and max_duration.")
    if rate is not None and max_duration is not None:
        raise PollySsmlError("prosody accepts rate or max_duration, not both, because each sets the speed.")
    return element(
        "prosody",
        *parts,
        rate=rate_value(rate),
        pitch=one_of("pitch", pitch, _PITCHES, _CHANGE, "a change such as +5% or -10%", other=_OTHER_PITCH),
        volume=one_of(
            "volume", volume, _VOLUMES, _DECIBELS, "a change such as +6dB or -6dB", other=_OTHER_VOLUME
        ),
        amazon__max_duration=duration_value("max_duration", max_duration),
    )


def say_as(text: str | float, *, interpret_as: str, format: str | None = None) -> Ssml:
    """Return text to be spoken as a date, a telephone number, single letters and so on (``<say-as>``).

    :param text: the text as written
    :param interpret_as: one of :data:`INTERPRET_AS`
    :param format: format of a date, one of :data:`DATE_FORMATS`. If ``interpret_as`` is not ``date``, any
        format is sent and a warning is logged
    :raises PollySsmlError: Polly does not accept a value
    """
    interpret_as = one_of("interpret_as", interpret_as, INTERPRET_AS) or ""
    other = None
    if format is not None and interpret_as != "date":
        warn_unnamed(f"a format for interpret_as {interpret_as!r}")
        other = _ANYTHING
    return element(
        "say-as",
        text,
        interpret_as=interpret_as,
        format=one_of("format", format, DATE_FORMATS, other),
    )


def sub(text: str | float, *, alias: str) -> Ssml:
    """Return text, such as an abbreviation, with the words to speak instead of it (``<sub>``).

    :param text: the text as written, which Polly bills
    :param alias: the words to speak. An empty string is sent and a warning is logged
    :raises PollySsmlError: the alias is not a string, or contains only white space
    """
    if alias == "":
        warn_unnamed("an empty alias")
    return element("sub", text, alias=alias if alias == "" else non_empty("alias", alias))


def phoneme(text: str | float, *, ph: str, alphabet: str | None = None, type: str | None = None) -> Ssml:
    """Return text with its pronunciation (``<phoneme>``).

    Sources: https://docs.aws.amazon.com/polly/latest/dg/phoneme-tag.html and, for ``type``,
    https://aws.amazon.com/jp/blogs/news/amazon-polly-japanese-text-optimization/

    :param text: the text as written
    :param ph: the pronunciation, in symbols of the alphabet; a non-empty string
    :param alphabet: ``ipa``, ``x-sampa``, or one of Polly's own alphabets: ``x-amazon-pinyin``,
        ``x-amazon-jyutping``, ``x-amazon-yomigana``, ``x-amazon-pron-kana``. Default: ``ipa``, or no alphabet
        if ``type`` is given
    :param type: ``ruby`` for a Japanese reading in hiragana or katakana, instead of an alphabet
    :raises PollySsmlError: the pronunciation is empty, or Polly does not accept the alphabet or the type
    """
    if alphabet is None and type is None:
        alphabet = "ipa"
    if alphabet is not None and (not isinstance(alphabet, str) or not _ALPHABET.fullmatch(alphabet)):
        raise PollySsmlError(f"Invalid alphabet {alphabet!r:.50}: it must be ipa, x-sampa or x-amazon-….")
    return element(
        "phoneme",
        text,
        type=one_of("type", type, ("ruby",), other=_OTHER_TYPE),
        alphabet=alphabet,
        ph=non_empty("ph", ph),
    )


def lang(*parts: str | float | Ssml, language: str) -> Ssml:
    """Return speech in another language with the same voice (``<lang>``).

    :param parts: content to speak
    :param language: language code such as ``fr-FR``
    :raises PollySsmlError: the value does not have the form of a language code
    """
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        raise PollySsmlError(f"language {language!r:.50} is not a language code such as fr-FR.")
    return element("lang", *parts, xml__lang=language)


def mark(name: str) -> Ssml:
    """Return a mark (``<mark>``). Speech marks of type ``ssml`` contain the mark's time in the audio.

    :param name: name of the mark; a non-empty string
    :raises PollySsmlError: the name is empty
    """
    return element("mark", name=non_empty("name", name))


def w(text: str | float, *, role: str) -> Ssml:
    """Return a word with its role, to distinguish words with the same spelling (``<w>``).

    :param text: the word
    :param role: part of speech or meaning of the word: ``amazon:VB``, ``amazon:VBD``, ``amazon:NN``,
        ``amazon:JJ``, ``amazon:DT``, ``amazon:IN``, ``amazon:DEFAULT`` or ``amazon:SENSE_1``. Some languages
        have other roles, which are sent with a logged warning
    :raises PollySsmlError: the role is empty or contains white space
    """
    roles = tuple(f"amazon:{each}" for each in _ROLES)
    return element("w", text, role=one_of("role", role, roles, other=_OTHER_ROLE))


def effect(
    *parts: str | float | Ssml,
    name: str | None = None,
    phonation: str | None = None,
    vocal_tract_length: str | None = None,
) -> Ssml:
    """Return speech with one of Polly's effects (``<amazon:effect>``).

    All effects except ``drc`` work with standard voices only. If one call has several effects, they are sent
    in one tag and a warning is logged. To avoid this, nest the calls: one effect inside the other.

    :param parts: content to speak
    :param name: ``whispered``, or ``drc`` (dynamic range compression)
    :param phonation: ``soft``
    :param vocal_tract_length: timbre of the voice, such as ``110%``, or a change such as ``+10%``
    :raises PollySsmlError: no effect is given, or Polly does not accept a value
    """
    effects = sum(given is not None for given in (name, phonation, vocal_tract_length))
    if not effects:
        raise PollySsmlError("effect needs at least one of name, phonation and vocal_tract_length.")
    if effects > 1:
        warn_unnamed("several effects in one tag (nested tags are documented)")
    if name is not None and name not in ("whispered", "drc"):
        raise PollySsmlError(f"Invalid effect name {name!r:.50}: it must be 'whispered' or 'drc'.")
    return element(
        "amazon:effect",
        *parts,
        name=name,
        phonation=one_of("phonation", phonation, ("soft",)),
        vocal_tract_length=one_of(
            "vocal_tract_length", vocal_tract_length, (), _VOCAL_TRACT, "a percentage such as 110% or +10%"
        ),
    )


def billed_characters(value: str | Ssml) -> int:
    """Return the number of characters that Polly bills for plain text or SSML.

    :param value: plain text as a string, or SSML from these functions
    """
    return value.billed_characters if isinstance(value, Ssml) else limits.billed_characters(value, ssml=False)


FUNCTIONS = (
    *(escape, speak, p, s, pause, emphasis, prosody, say_as, sub, phoneme, lang, mark, w, effect),
    billed_characters,
)
"""The functions that templates can use as ``macros.polly``."""
