"""SSML for Polly without string concatenation: text is escaped, and attribute values are checked.

Each function returns a piece of :class:`~airflow_polly_provider.text.markup.Ssml`, and takes strings, numbers
and such pieces as content. In templates they are ``macros.polly.speak``, ``macros.polly.pause`` and so on.

A value that AWS's guide rules out is refused. Where the guide says nothing of a value that W3C's SSML allows,
it is sent with a warning in the log, and Polly decides.

Sources: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html, which also tells which engine takes
which tag; https://docs.aws.amazon.com/polly/latest/dg/limits.html; https://www.w3.org/TR/speech-synthesis11/
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
"""The longest pause that a ``<break>`` makes."""

INTERPRET_AS = (
    *("characters", "spell-out", "cardinal", "number", "ordinal", "digits", "fraction"),
    *("unit", "date", "time", "address", "expletive", "telephone"),
)
"""What ``say_as`` takes."""

DATE_FORMATS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd")
"""How a date may be written that ``say_as`` speaks."""

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
# What W3C's SSML has, in its version 1.0 or 1.1, and AWS's guide does not name.
_OTHER_LEVEL = re.compile("none")
_OTHER_PITCH = re.compile(rf"[+-]?{NUMBER}(?:%|Hz|st)")
_OTHER_VOLUME = re.compile(rf"[+-]?{NUMBER}(?:%|dB)?")
_OTHER_TYPE = re.compile("default")
_ANYTHING = re.compile(r"(?s).*")
_OTHER_ROLE = re.compile(r"\S+")


def escape(*parts: str | float | Ssml) -> Ssml:
    """Return text that says itself, whatever it holds: ``&`` and ``<`` are no markup.

    :param parts: strings, numbers and SSML, one after the other
    :raises PollySsmlError: a string holds what XML cannot, such as most control characters
    """
    return Ssml(content(*parts))


def speak(*parts: str | float | Ssml) -> SsmlDocument:
    """Return a whole document, for ``text`` with ``text_type="ssml"``.

    :param parts: what is spoken
    """
    return SsmlDocument(f"<speak>{content(*parts)}</speak>")


def p(*parts: str | float | Ssml) -> Ssml:
    """Return a paragraph.

    :param parts: what is spoken
    """
    return element("p", *parts)


def s(*parts: str | float | Ssml) -> Ssml:
    """Return a sentence.

    :param parts: what is spoken
    """
    return element("s", *parts)


def pause(*, time: str | timedelta | None = None, strength: str | None = None) -> Ssml:
    """Return a pause (``<break>``); as after a comma unless given.

    :param time: such as ``500ms``, ``1.5s`` or a timedelta; at most 10 seconds
    :param strength: ``none``, ``x-weak``, ``weak``, ``medium``, ``strong``, ``x-strong``; mostly instead of
        ``time``
    :raises PollySsmlError: one is given that Polly does not take
    """
    if time is not None and strength is not None:
        warn_unnamed("a pause with a time and a strength")
    return element(
        "break",
        time=duration_value("time", time, most_seconds=MAX_PAUSE_SECONDS),
        strength=one_of("strength", strength, _STRENGTHS),
    )


def emphasis(*parts: str | float | Ssml, level: str = "moderate") -> Ssml:
    """Return speech that is stressed; standard voices only.

    :param parts: what is spoken
    :param level: ``strong``, ``moderate`` or ``reduced``
    :raises PollySsmlError: another level is given
    """
    return element("emphasis", *parts, level=one_of("level", level, _LEVELS, other=_OTHER_LEVEL))


def prosody(
    *parts: str | float | Ssml,
    rate: str | None = None,
    pitch: str | None = None,
    volume: str | None = None,
    max_duration: str | timedelta | None = None,
) -> Ssml:
    """Return speech of another rate, pitch or volume.

    :param parts: what is spoken
    :param rate: ``x-slow``, ``slow``, ``medium``, ``fast``, ``x-fast``, a percentage of the voice's own rate
        such as ``85%``, or a change such as ``-10%``; at least ``20%`` (``-80%``), and above ``200%`` not on
        every engine
    :param pitch: ``default``, ``x-low``, ``low``, ``medium``, ``high``, ``x-high``, or a change such as
        ``+5%``; standard voices only
    :param volume: ``default``, ``silent``, ``x-soft``, ``soft``, ``medium``, ``loud``, ``x-loud``, or a
        change such as ``-6dB``
    :param max_duration: the longest that it may take, such as ``2s`` or a timedelta; not with ``rate``;
        standard voices only
    :raises PollySsmlError: none is given, or one that Polly does not take
    """
    if rate is None and pitch is None and volume is None and max_duration is None:
        raise PollySsmlError("prosody needs one of rate, pitch, volume and max_duration.")
    if rate is not None and max_duration is not None:
        raise PollySsmlError("prosody takes rate or max_duration, not both: each sets the speed.")
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
    """Return text that is read as what it is: a date, a telephone number, single letters.

    :param text: as it is written
    :param interpret_as: one of :data:`INTERPRET_AS`
    :param format: of a date, one of :data:`DATE_FORMATS`
    :raises PollySsmlError: another value is given
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
    """Return text that is spoken as other words: an abbreviation.

    :param text: as it is written, which is what Polly bills
    :param alias: as it is spoken; with an empty one, Polly decides
    :raises PollySsmlError: the alias is no string
    """
    if alias == "":
        warn_unnamed("an empty alias")
    return element("sub", text, alias=alias if alias == "" else non_empty("alias", alias))


def phoneme(text: str | float, *, ph: str, alphabet: str | None = None, type: str | None = None) -> Ssml:
    """Return text with its pronunciation.

    Sources: https://docs.aws.amazon.com/polly/latest/dg/phoneme-tag.html and, for ``type``,
    https://aws.amazon.com/jp/blogs/news/amazon-polly-japanese-text-optimization/

    :param text: as it is written
    :param ph: its pronunciation, in signs of the alphabet; not empty
    :param alphabet: ``ipa``, ``x-sampa``, or one of Polly's own: ``x-amazon-pinyin``, ``x-amazon-jyutping``,
        ``x-amazon-yomigana``, ``x-amazon-pron-kana``; ``ipa`` unless given here or by ``type``
    :param type: ``ruby`` for a Japanese reading in hiragana or katakana, in place of an alphabet
    :raises PollySsmlError: there is no pronunciation, or another alphabet or type is given
    """
    if alphabet is None and type is None:
        alphabet = "ipa"
    if alphabet is not None and (not isinstance(alphabet, str) or not _ALPHABET.fullmatch(alphabet)):
        raise PollySsmlError(f"alphabet {alphabet!r:.50} is not ipa, x-sampa or x-amazon-….")
    return element(
        "phoneme",
        text,
        type=one_of("type", type, ("ruby",), other=_OTHER_TYPE),
        alphabet=alphabet,
        ph=non_empty("ph", ph),
    )


def lang(*parts: str | float | Ssml, language: str) -> Ssml:
    """Return speech in another language, by the same voice.

    :param parts: what is spoken
    :param language: a language code such as ``fr-FR``
    :raises PollySsmlError: the code has not the form of one
    """
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        raise PollySsmlError(f"language {language!r:.50} is no language code, such as fr-FR.")
    return element("lang", *parts, xml__lang=language)


def mark(name: str) -> Ssml:
    """Return a mark, which speech marks of the type ``ssml`` tell the time of.

    :param name: the mark's name; not empty
    :raises PollySsmlError: the name is empty
    """
    return element("mark", name=non_empty("name", name))


def w(text: str | float, *, role: str) -> Ssml:
    """Return a word that is told apart from others of its spelling.

    :param text: the word
    :param role: what it is: ``amazon:VB``, ``amazon:VBD``, ``amazon:NN``, ``amazon:JJ``, ``amazon:DT``,
        ``amazon:IN``, ``amazon:DEFAULT`` or ``amazon:SENSE_1``; some languages have others
    :raises PollySsmlError: the role is empty, or has white space
    """
    roles = tuple(f"amazon:{each}" for each in _ROLES)
    return element("w", text, role=one_of("role", role, roles, other=_OTHER_ROLE))


def effect(
    *parts: str | float | Ssml,
    name: str | None = None,
    phonation: str | None = None,
    vocal_tract_length: str | None = None,
) -> Ssml:
    """Return speech with one of Polly's own effects; all but ``drc`` for standard voices only.

    :param parts: what is spoken
    :param name: ``whispered``, or ``drc`` (dynamic range compression)
    :param phonation: ``soft``
    :param vocal_tract_length: the timbre: ``110%``, or a change such as ``+10%``
    :raises PollySsmlError: none is given, or one that Polly does not take
    """
    effects = sum(given is not None for given in (name, phonation, vocal_tract_length))
    if not effects:
        raise PollySsmlError("effect takes one of name, phonation and vocal_tract_length.")
    if effects > 1:
        warn_unnamed("several effects in one tag, in place of one inside the other")
    if name is not None and name not in ("whispered", "drc"):
        raise PollySsmlError(f"name {name!r:.50} is not whispered or drc.")
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
    """Return how many characters Polly bills for a plain text, or for SSML.

    :param value: plain text as a string, or SSML made by these functions
    """
    return value.billed_characters if isinstance(value, Ssml) else limits.billed_characters(value, ssml=False)


FUNCTIONS = (
    *(escape, speak, p, s, pause, emphasis, prosody, say_as, sub, phoneme, lang, mark, w, effect),
    billed_characters,
)
"""What templates get as ``macros.polly``."""
