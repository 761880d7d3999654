"""Checks SSML attribute values.

A value that AWS's SSML documentation lists is valid. A value that it excludes raises an error. If W3C's SSML
allows a value that AWS's documentation does not mention, the value is sent and a warning is logged. Polly
then accepts or rejects the value.

Sources: https://docs.aws.amazon.com/polly/latest/dg/supportedtags.html and
https://docs.aws.amazon.com/polly/latest/dg/limits.html; https://www.w3.org/TR/speech-synthesis11/
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta

from airflow_polly_provider.exceptions import PollySsmlError

log = logging.getLogger(__name__)

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
"""Regular expression for a number in SSML."""

_RATES = ("x-slow", "slow", "medium", "fast", "x-fast")
_DURATION = re.compile(rf"({NUMBER}|\.[0-9]+)(ms|s)")
_RATE = re.compile(rf"([+-]?)({NUMBER})%")
_OTHER_RATE = re.compile(rf"default|{NUMBER}")
_SLOWEST_PERCENT = 20
"""A relative rate of -80%, the lowest that Polly supports: https://docs.aws.amazon.com/polly/latest/dg/limits.html"""
_FASTEST_PERCENT = 200
"""The highest rate in AWS's documentation. Measurements show that higher rates work on most engines."""


def one_of(
    name: str,
    value: str | None,
    words: tuple[str, ...],
    pattern: re.Pattern[str] | None = None,
    meaning: str = "",
    *,
    other: re.Pattern[str] | None = None,
) -> str | None:
    """Return a value if it is valid, or if AWS's SSML documentation does not exclude it.

    :param name: name of the parameter, for messages
    :param value: value of the parameter; None if it is not given
    :param words: fixed values that AWS's documentation lists
    :param pattern: pattern of other values that AWS's documentation lists
    :param meaning: description of that pattern, for the error message
    :param other: pattern of values that AWS's documentation does not mention; they are sent with a warning
    :raises PollySsmlError: the value is not one of these values, and does not match one of these patterns
    """
    if value is None or value in words:
        return value
    if pattern is not None and isinstance(value, str) and pattern.fullmatch(value):
        return value
    if other is not None and isinstance(value, str) and other.fullmatch(value):
        warn_unnamed(f"{name} {value!r:.50}")
        return value
    valid = ", ".join(words) + (", or " if words and meaning else "") + meaning
    raise PollySsmlError(f"{name} {value!r:.50} is not valid in Polly's SSML. Use {valid}.")


def rate_value(rate: str | None) -> str | None:
    """Return a rate of speech if it is valid, or if AWS's SSML documentation does not exclude it.

    :param rate: a word, a percentage of the voice's normal rate, or a change of that rate; None if not given
    :raises PollySsmlError: the rate is too low, or the value is not a rate
    """
    found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    percent = 0.0
    if found is not None:
        percent = float(found[2]) if not found[1] else 100 + float(found[1] + found[2])
    if percent >= _SLOWEST_PERCENT:
        if percent > _FASTEST_PERCENT:
            warn_unnamed(f"rate {rate!r:.50}, which is above {_FASTEST_PERCENT}%")
        return rate
    return one_of(
        "rate",
        rate,
        _RATES,
        meaning=f"a percentage such as 85%, or a change such as -10%, from {_SLOWEST_PERCENT}% (-80%)",
        other=_OTHER_RATE,
    )


def warn_unnamed(what: str) -> None:
    """Log a warning about a value that AWS's SSML documentation does not mention.

    :param what: description of the value
    """
    log.warning("AWS's SSML documentation does not mention %s. It is sent, and Polly may reject it.", what)


def duration_value(name: str, value: str | timedelta | None, max_seconds: float | None = None) -> str | None:
    """Return a duration in SSML format.

    :param name: name of the parameter, for error messages
    :param value: duration such as ``500ms``, ``1.5s`` or a timedelta; None if it is not given
    :param max_seconds: maximum duration in seconds; None for no maximum
    :raises PollySsmlError: the value is not a duration, or is too long
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = f"{round(value.total_seconds() * 1000)}ms"
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PollySsmlError(f"{name} {value!r:.50} is not a duration. Use a value such as 1.5s or 500ms.")
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1)
    if max_seconds is not None and seconds > max_seconds:
        raise PollySsmlError(f"{name} {value!r:.50} is too long: the maximum is {max_seconds}s.")
    return value


def non_empty(name: str, value: str) -> str:
    """Return a value if it is a string with at least one character other than white space.

    :param name: name of the parameter, for the error message
    :param value: the value
    :raises PollySsmlError: the value is not a string, is empty or contains only white space
    """
    if not isinstance(value, str) or not value.strip():
        raise PollySsmlError(f"{name} must be a non-empty string.")
    return value
