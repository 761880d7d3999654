"""Polly's SSML tags: their names, attributes and supported engines, and their form for the synthesizer.

Source: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from airflow_polly_provider.emulator.base.errors import ApiError, invalid
from airflow_polly_provider.emulator.base.voices import espeak_language

_ANY = re.compile(r"(?s).*")
_SOME = re.compile(r"(?s).+")
_STRENGTH = re.compile(r"none|x-weak|weak|medium|strong|x-strong")
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"\+?({_NUMBER}|\.[0-9]+)(ms|s)")
_LONGEST_BREAK_SECONDS = 10
# https://docs.aws.amazon.com/polly/latest/dg/limits.html: the lowest rate is -80%.
_SLOWEST_PERCENT = 20
_RATE_IN_FIGURES = re.compile(rf"(?P<sign>[+-]?)(?P<number>{_NUMBER})(?P<percent>%?)")
_BREATH_VOLUME = re.compile("default|x-soft|soft|medium|loud|x-loud")
_BREATH_DURATION = re.compile("default|x-short|short|medium|long|x-long")
_BREATH_FREQUENCY = re.compile("default|x-low|low|medium|high|x-high")
# https://docs.aws.amazon.com/polly/latest/dg/say-as-tag.html
_INTERPRET_AS = re.compile(
    "characters|spell-out|cardinal|number|ordinal|digits|fraction|unit|date|time|address|expletive|telephone"
)
# https://docs.aws.amazon.com/polly/latest/dg/w-tag.html
_ROLE = re.compile("amazon:(?:VB|VBD|DT|IN|JJ|NN|DEFAULT|SENSE_[0-9]+)")
_DATE_FORMATS = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd")
# For each tag: its attributes with their allowed values, and the required attributes.
_TAGS: dict[str, tuple[dict[str, re.Pattern[str]], set[str]]] = {
    "speak": ({}, set()),
    "break": ({"time": _DURATION, "strength": _STRENGTH}, set()),
    "emphasis": ({"level": re.compile("strong|moderate|reduced|none")}, set()),
    "lang": ({"xml:lang": _SOME}, {"xml:lang"}),
    "mark": ({"name": _SOME}, {"name"}),
    "p": ({"xml:lang": _SOME}, set()),
    "s": ({"xml:lang": _SOME}, set()),
    "phoneme": (
        {"alphabet": re.compile("ipa|x-sampa|x-amazon-.+"), "ph": _SOME, "type": re.compile("ruby|default")},
        {"ph"},
    ),
    "prosody": (
        {
            "volume": re.compile(
                rf"default|silent|x-soft|soft|medium|loud|x-loud|[+-]{_NUMBER}dB", re.IGNORECASE
            ),
            "rate": re.compile(rf"default|x-slow|slow|medium|fast|x-fast|[+-]?{_NUMBER}%|{_NUMBER}"),
            "pitch": re.compile(rf"default|x-low|low|medium|high|x-high|[+-]?{_NUMBER}%"),
            "amazon:max-duration": _DURATION,
        },
        set(),
    ),
    "say-as": ({"interpret-as": _INTERPRET_AS, "format": _ANY, "detail": _ANY}, {"interpret-as"}),
    "sub": ({"alias": _ANY}, {"alias"}),
    "w": ({"role": _ROLE}, {"role"}),
    "amazon:auto-breaths": (
        {"volume": _BREATH_VOLUME, "frequency": _BREATH_FREQUENCY, "duration": _BREATH_DURATION},
        set(),
    ),
    "amazon:breath": ({"volume": _BREATH_VOLUME, "duration": _BREATH_DURATION}, set()),
    "amazon:domain": ({"name": re.compile("news|conversational")}, {"name"}),
    "amazon:effect": (
        {
            "name": re.compile("whispered|drc"),
            "phonation": re.compile("soft"),
            "vocal-tract-length": re.compile(rf"[+-]?{_NUMBER}%"),
        },
        set(),
    ),
}
_ALL_BUT_STANDARD = ("neural", "long-form", "generative")
_ENGINES_WITHOUT = {
    "emphasis": _ALL_BUT_STANDARD,
    "prosody pitch": _ALL_BUT_STANDARD,
    "prosody amazon:max-duration": _ALL_BUT_STANDARD,
    "amazon:auto-breaths": _ALL_BUT_STANDARD,
    "amazon:breath": _ALL_BUT_STANDARD,
    "amazon:effect phonation": _ALL_BUT_STANDARD,
    "amazon:effect vocal-tract-length": _ALL_BUT_STANDARD,
    "amazon:effect name=whispered": _ALL_BUT_STANDARD,
    "amazon:effect name=drc": ("generative",),
}
# https://docs.aws.amazon.com/polly/latest/dg/newscaster-tag.html
_NEWS_VOICES = ("Matthew", "Joanna", "Lupe", "Amy")
_AT_LEAST_ONE = {"prosody", "amazon:effect"}
# Tags that are passed to the synthesizer without their attributes.
_PASSED = {"p", "s", "speak"}


def check_tag(name: str, attributes: dict[str, str]) -> None:
    """Check that Polly accepts a tag and its attributes.

    :param name: the tag's name, with its prefix.
    :param attributes: the attributes by name, with their prefixes.
    :raises ApiError: ``InvalidSsmlException`` if Polly would reject the tag.
    """
    if name not in _TAGS:
        raise _invalid(f"Polly has no tag <{name[:50]}>")
    allowed, required = _TAGS[name]
    if name == "speak":
        return
    for attribute in required - attributes.keys():
        raise _invalid(f"<{name}> requires the attribute {attribute}")
    for attribute, value in attributes.items():
        if attribute.startswith("xmlns"):
            continue
        pattern = allowed.get(attribute)
        if pattern is None or not pattern.fullmatch(value):
            raise _invalid(f"<{name}> does not allow {attribute[:50]}={value[:50]!r}")
    if name in _AT_LEAST_ONE and not attributes:
        raise _invalid(f"<{name}> requires an attribute")
    _check_range(name, attributes)


def _check_range(name: str, attributes: dict[str, str]) -> None:
    if name == "break" and "time" in attributes and _seconds(attributes["time"]) > _LONGEST_BREAK_SECONDS:
        raise _invalid(f"a break must last at most {_LONGEST_BREAK_SECONDS} seconds")
    percent = _rate_percent(attributes.get("rate", "")) if name == "prosody" else None
    if percent is not None and percent < _SLOWEST_PERCENT:
        raise _invalid(f"the rate must be at least {_SLOWEST_PERCENT}%, which is the same as -80%")
    date_format = attributes.get("format") if attributes.get("interpret-as") == "date" else None
    if name == "say-as" and date_format is not None and date_format not in _DATE_FORMATS:
        raise _invalid(f"<say-as> does not allow the date format {date_format[:50]!r}")


def check_support(engine: str, voice_id: str | None, name: str, attributes: dict[str, str]) -> None:
    """Check that an engine supports a tag, according to AWS's table of supported tags.

    If the table calls a tag partially available, the tag is accepted, because the table does not state which
    parts are unavailable.

    :param engine: Polly's Engine.
    :param voice_id: Polly's VoiceId; None to assume a voice that supports everything that the engine
        supports.
    :param name: the tag's name.
    :param attributes: the tag's attributes.
    :raises ApiError: if Polly would reject the tag.
    """
    if name == "amazon:domain":
        if engine != "neural" or voice_id not in {None, *_NEWS_VOICES}:
            # This message was seen in public with the engine standard: aws-sdk-js 2845, aws-sdk-php 1992.
            raise invalid("This voice does not support one of the used SSML features", detail=name)
        return
    for feature in (name, *(f"{name} {attribute}" for attribute in attributes), _named(name, attributes)):
        if engine in _ENGINES_WITHOUT.get(feature, ()):
            message = f"Unsupported {engine.capitalize()} feature"
            raise ApiError("InvalidSsmlException", message, detail=feature)


def _named(name: str, attributes: dict[str, str]) -> str:
    return f"{name} name={attributes.get('name', '')}"


def espeak_tag(name: str, attributes: dict[str, str]) -> tuple[str, str]:
    """Return the synthesizer's opening and closing tags for one of Polly's tags.

    :param name: the tag's name.
    :param attributes: the tag's attributes, accepted by :func:`check_tag`.
    """
    if name in _PASSED:
        return f"<{name}>", f"</{name}>"
    if name == "break":
        if attributes.get("strength") == "none":
            return "", ""
        return f"<break{_written(attributes)}/>", ""
    if name == "mark":
        return f"<mark{_written(attributes)}/>", ""
    if name == "emphasis":
        return f"<emphasis{_written(attributes)}>", "</emphasis>"
    if name == "lang":
        return f"<voice xml:lang={quoteattr(espeak_language(attributes['xml:lang']))}>", "</voice>"
    if name == "say-as" and attributes["interpret-as"] in ("characters", "spell-out", "digits"):
        return '<say-as interpret-as="characters">', "</say-as>"
    if name == "prosody":
        return f"<prosody{_written(_prosody(attributes))}>", "</prosody>"
    return "", ""


def _prosody(attributes: dict[str, str]) -> dict[str, str]:
    known = {}
    for name in ("rate", "pitch"):
        if attributes.get(name, "default") != "default":
            known[name] = attributes[name]
    if (percent := _rate_percent(attributes.get("rate", ""))) is not None:
        known["rate"] = f"{percent:.0f}%"
    volume = attributes.get("volume", "default").lower()
    if volume.endswith("db"):
        decibels = float(volume[:-2])
        volume = "medium" if abs(decibels) < 1 else "loud" if decibels > 0 else "soft"
    if volume != "default":
        known["volume"] = volume
    return known


def _rate_percent(rate: str) -> float | None:
    """Return a rate as a percentage of the voice's normal rate; None for a word such as ``fast``.

    :param rate: the rate: ``85%``, ``-15%`` (a change) or ``0.85`` (a factor, as in SSML 1.0).
    """
    found = _RATE_IN_FIGURES.fullmatch(rate)
    if found is None:
        return None
    number = float(found["number"]) * (1 if found["percent"] else 100)
    return 100 + float(found["sign"] + "1") * number if found["sign"] else number


def _written(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


def _seconds(duration: str) -> float:
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise _invalid(f"{duration[:50]!r} is not a duration")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidSsmlException", f"Invalid SSML request: {why}")
