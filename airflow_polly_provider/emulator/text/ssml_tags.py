"""Polly's SSML tags: which there are, what they demand, and what they are to the synthesizer.

Source: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.voices import espeak_language

_ANY = re.compile(r"(?s).*")
_SOME = re.compile(r"(?s).+")
_STRENGTH = re.compile(r"none|x-weak|weak|medium|strong|x-strong")
_DURATION = re.compile(r"\+?(\d+(?:\.\d+)?)(ms|s)")
_LONGEST_BREAK_SECONDS = 10
_NUMBER = r"\d+(?:\.\d+)?"
# By tag: its attributes with the values they take, and which of them are required.
_TAGS: dict[str, tuple[dict[str, re.Pattern[str]], set[str]]] = {
    "speak": ({}, set()),
    "break": ({"time": _DURATION, "strength": _STRENGTH}, set()),
    "emphasis": ({"level": re.compile("strong|moderate|reduced|none")}, set()),
    "lang": ({"xml:lang": _SOME}, {"xml:lang"}),
    "mark": ({"name": _SOME}, {"name"}),
    "p": ({"xml:lang": _SOME}, set()),
    "s": ({"xml:lang": _SOME}, set()),
    "phoneme": ({"alphabet": re.compile("ipa|x-sampa|x-amazon-.+"), "ph": _SOME, "type": _ANY}, {"ph"}),
    "prosody": (
        {
            "volume": re.compile(
                rf"default|silent|x-soft|soft|medium|loud|x-loud|[+-]{_NUMBER}dB", re.IGNORECASE
            ),
            "rate": re.compile(rf"default|x-slow|slow|medium|fast|x-fast|{_NUMBER}%"),
            "pitch": re.compile(rf"default|x-low|low|medium|high|x-high|[+-]?{_NUMBER}%"),
            "amazon:max-duration": _DURATION,
        },
        set(),
    ),
    "say-as": ({"interpret-as": _SOME, "format": _ANY, "detail": _ANY}, {"interpret-as"}),
    "sub": ({"alias": _ANY}, {"alias"}),
    "w": ({"role": _SOME}, {"role"}),
    "amazon:auto-breaths": ({"volume": _SOME, "frequency": _SOME, "duration": _SOME}, set()),
    "amazon:breath": ({"volume": _SOME, "duration": _SOME}, set()),
    "amazon:domain": ({"name": re.compile("news|conversational|long-form|music|fun")}, {"name"}),
    "amazon:effect": (
        {
            "name": re.compile("whispered|drc"),
            "phonation": re.compile("soft"),
            "vocal-tract-length": re.compile(rf"[+-]?{_NUMBER}%"),
        },
        set(),
    ),
}
_AT_LEAST_ONE = {"prosody", "amazon:effect"}
# Tags whose attributes are Polly's own business, and which change nothing here.
_PASSED = {"p", "s", "speak"}


def check_tag(name: str, attributes: dict[str, str]) -> None:
    """Hold a tag to what Polly takes.

    :param name: the tag's name, with its prefix.
    :param attributes: by name, with their prefixes.
    :raises ApiError: ``InvalidSsmlException``.
    """
    if name not in _TAGS:
        raise _invalid(f"<{name[:50]}> is no tag of Polly's")
    allowed, required = _TAGS[name]
    if name == "speak":
        return
    for attribute in required - attributes.keys():
        raise _invalid(f"<{name}> needs the attribute {attribute}")
    for attribute, value in attributes.items():
        if attribute.startswith("xmlns"):
            continue
        pattern = allowed.get(attribute)
        if pattern is None or not pattern.fullmatch(value):
            raise _invalid(f"<{name}> does not take {attribute[:50]}={value[:50]!r}")
    if name in _AT_LEAST_ONE and not attributes:
        raise _invalid(f"<{name}> needs an attribute")
    if name == "break" and "time" in attributes and _seconds(attributes["time"]) > _LONGEST_BREAK_SECONDS:
        raise _invalid(f"a break lasts at most {_LONGEST_BREAK_SECONDS} seconds")


def engine_refuses(engine: str, name: str, attributes: dict[str, str]) -> str | None:
    """Name what an engine does not support about a tag, None where it takes it.

    :param engine: Polly's Engine.
    :param name: the tag's name.
    :param attributes: its attributes.
    """
    if name == "amazon:domain" and engine != "neural":
        return "amazon:domain"
    if engine == "standard":
        return None
    if name in ("emphasis", "amazon:auto-breaths", "amazon:breath"):
        return name
    if name == "prosody":
        for attribute in ("pitch", "amazon:max-duration"):
            if attribute in attributes:
                return f"prosody {attribute}"
    if name == "amazon:effect" and (attributes.get("name") != "drc" or engine == "generative"):
        return "amazon:effect"
    return None


def espeak_tag(name: str, attributes: dict[str, str]) -> tuple[str, str]:
    """Give the synthesizer's opening and closing tags for one of Polly's.

    :param name: the tag's name.
    :param attributes: its attributes, as Polly takes them.
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
    volume = attributes.get("volume", "default").lower()
    if volume.endswith("db"):
        decibels = float(volume[:-2])
        volume = "medium" if abs(decibels) < 1 else "loud" if decibels > 0 else "soft"
    if volume != "default":
        known["volume"] = volume
    return known


def _written(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


def _seconds(duration: str) -> float:
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise _invalid(f"{duration[:50]!r} is no duration")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidSsmlException", f"Invalid SSML request: {why}")
