"""SSML for Polly without string concatenation: text is escaped, and attribute values are checked.

Each function returns a piece of :class:`~airflow_polly_provider.text.markup.Ssml`, and takes strings, numbers
and such pieces as content. In templates they are ``macros.polly.speak``, ``macros.polly.pause`` and so on.

Source: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html, which also tells which engine takes
which tag.
"""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_polly_provider.exceptions import PollySsmlError
from airflow_polly_provider.text import limits
from airflow_polly_provider.text.markup import Ssml, SsmlDocument, content, element

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
_RATES = ("x-slow", "slow", "medium", "fast", "x-fast")
_PITCHES = ("default", "x-low", "low", "medium", "high", "x-high")
_VOLUMES = ("default", "silent", "x-soft", "soft", "medium", "loud", "x-loud")
_ROLES = ("VB", "VBD", "DT", "IN", "JJ", "NN", "DEFAULT", "SENSE_1")

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"({_NUMBER})(ms|s)")
_PERCENTAGE = re.compile(rf"({_NUMBER})%")
_CHANGE = re.compile(rf"[+-]{_NUMBER}%")
_DECIBELS = re.compile(rf"[+-]{_NUMBER}dB")
_VOCAL_TRACT = re.compile(rf"[+-]?{_NUMBER}%")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]+)*")
_ALPHABET = re.compile(r"ipa|x-sampa|x-amazon-[a-z-]+")
_SLOWEST_PERCENT, _FASTEST_PERCENT = 20, 200


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
    :param strength: instead of ``time``: ``none``, ``x-weak``, ``weak``, ``medium``, ``strong``, ``x-strong``
    :raises PollySsmlError: both are given, or one that Polly does not take
    """
    if time is not None and strength is not None:
        raise PollySsmlError("A pause has a time or a strength, not both.")
    return element(
        "break",
        time=_duration("time", time, most_seconds=MAX_PAUSE_SECONDS),
        strength=_one_of("strength", strength, _STRENGTHS),
    )


def emphasis(*parts: str | float | Ssml, level: str = "moderate") -> Ssml:
    """Return speech that is stressed; standard voices only.

    :param parts: what is spoken
    :param level: ``strong``, ``moderate`` or ``reduced``
    :raises PollySsmlError: another level is given
    """
    return element("emphasis", *parts, level=_one_of("level", level, _LEVELS))


def prosody(
    *parts: str | float | Ssml,
    rate: str | None = None,
    pitch: str | None = None,
    volume: str | None = None,
    max_duration: str | timedelta | None = None,
) -> Ssml:
    """Return speech of another rate, pitch or volume.

    :param parts: what is spoken
    :param rate: ``x-slow``, ``slow``, ``medium``, ``fast``, ``x-fast``, or from ``20%`` to ``200%``
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
        rate=_rate(rate),
        pitch=_one_of("pitch", pitch, _PITCHES, _CHANGE, "a change such as +5% or -10%"),
        volume=_one_of("volume", volume, _VOLUMES, _DECIBELS, "a change such as +6dB or -6dB"),
        amazon__max_duration=_duration("max_duration", max_duration),
    )


def say_as(text: str | float, *, interpret_as: str, format: str | None = None) -> Ssml:
    """Return text that is read as what it is: a date, a telephone number, single letters.

    :param text: as it is written
    :param interpret_as: one of :data:`INTERPRET_AS`
    :param format: of a date, one of :data:`DATE_FORMATS`
    :raises PollySsmlError: another value is given, or a format for what is no date
    """
    if format is not None and interpret_as != "date":
        raise PollySsmlError(f"format is for interpret_as 'date' only, not for {interpret_as!r:.50}.")
    return element(
        "say-as",
        text,
        interpret_as=_one_of("interpret_as", interpret_as, INTERPRET_AS),
        format=_one_of("format", format, DATE_FORMATS),
    )


def sub(text: str | float, *, alias: str) -> Ssml:
    """Return text that is spoken as other words: an abbreviation.

    :param text: as it is written, which is what Polly bills
    :param alias: as it is spoken; not empty
    :raises PollySsmlError: the alias is empty
    """
    return element("sub", text, alias=_some("alias", alias))


def phoneme(text: str | float, *, ph: str, alphabet: str = "ipa") -> Ssml:
    """Return text with its pronunciation.

    :param text: as it is written
    :param ph: its pronunciation, in signs of the alphabet; not empty
    :param alphabet: ``ipa``, ``x-sampa``, or one of Polly's own such as ``x-amazon-pinyin``
    :raises PollySsmlError: there is no pronunciation, or another alphabet is given
    """
    if not isinstance(alphabet, str) or not _ALPHABET.fullmatch(alphabet):
        raise PollySsmlError(f"alphabet {alphabet!r:.50} is not ipa, x-sampa or x-amazon-….")
    return element("phoneme", text, alphabet=alphabet, ph=_some("ph", ph))


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
    return element("mark", name=_some("name", name))


def w(text: str | float, *, role: str) -> Ssml:
    """Return a word that is told apart from others of its spelling.

    :param text: the word
    :param role: what it is: ``amazon:VB``, ``amazon:VBD``, ``amazon:NN``, ``amazon:JJ``, ``amazon:DT``,
        ``amazon:IN``, ``amazon:DEFAULT`` or ``amazon:SENSE_1``
    :raises PollySsmlError: another role is given
    """
    return element("w", text, role=_one_of("role", role, tuple(f"amazon:{each}" for each in _ROLES)))


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
    :raises PollySsmlError: not one is given, but none or several, or one that Polly does not take
    """
    if sum(given is not None for given in (name, phonation, vocal_tract_length)) != 1:
        raise PollySsmlError("effect takes one of name, phonation and vocal_tract_length.")
    if name is not None and name not in ("whispered", "drc"):
        raise PollySsmlError(f"name {name!r:.50} is not whispered or drc.")
    return element(
        "amazon:effect",
        *parts,
        name=name,
        phonation=_one_of("phonation", phonation, ("soft",)),
        vocal_tract_length=_one_of(
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


def _one_of(
    name: str,
    value: str | None,
    words: tuple[str, ...],
    pattern: re.Pattern[str] | None = None,
    meaning: str = "",
) -> str | None:
    if value is None or value in words:
        return value
    if pattern is not None and isinstance(value, str) and pattern.fullmatch(value):
        return value
    takes = ", ".join(words) + (", or " if words and meaning else "") + meaning
    raise PollySsmlError(f"{name} {value!r:.50} is not taken by Polly: give {takes}.")


def _rate(rate: str | None) -> str | None:
    percentage = _PERCENTAGE.fullmatch(rate) if isinstance(rate, str) else None
    if percentage and _SLOWEST_PERCENT <= float(percentage[1]) <= _FASTEST_PERCENT:
        return rate
    return _one_of("rate", rate, _RATES, meaning=f"from {_SLOWEST_PERCENT}% to {_FASTEST_PERCENT}%")


def _duration(name: str, value: str | timedelta | None, most_seconds: float | None = None) -> str | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = f"{round(value.total_seconds() * 1000)}ms"
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PollySsmlError(f"{name} {value!r:.50} is no duration: give seconds such as 1.5s or 500ms.")
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1)
    if most_seconds is not None and seconds > most_seconds:
        raise PollySsmlError(f"{name} {value!r:.50} is too long: at most {most_seconds}s.")
    return value


def _some(name: str, value: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PollySsmlError(f"{name} must not be empty, nor of another type than str.")
    return value
