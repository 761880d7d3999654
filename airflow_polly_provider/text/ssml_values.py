"""Values of SSML's attributes: what AWS's guide names passes, what it rules out is refused.

Where the guide says nothing of a value that W3C's SSML allows, it passes with a warning in the log, and Polly
decides.

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
"""A number as SSML writes it, for regular expressions."""

_RATES = ("x-slow", "slow", "medium", "fast", "x-fast")
_DURATION = re.compile(rf"({NUMBER}|\.[0-9]+)(ms|s)")
_RATE = re.compile(rf"([+-]?)({NUMBER})%")
_OTHER_RATE = re.compile(rf"default|{NUMBER}")
_SLOWEST_PERCENT = 20
"""A relative rate of -80%, the lowest that Polly supports: https://docs.aws.amazon.com/polly/latest/dg/limits.html"""
_FASTEST_PERCENT = 200
"""The highest rate that the guide names; higher ones were measured to work on most engines."""


def one_of(
    name: str,
    value: str | None,
    words: tuple[str, ...],
    pattern: re.Pattern[str] | None = None,
    meaning: str = "",
    *,
    other: re.Pattern[str] | None = None,
) -> str | None:
    """Return a value that Polly takes, or may take.

    :param name: the parameter, for the message
    :param value: its value; None where it is not given
    :param words: values that AWS's guide names
    :param pattern: the form of others that it names
    :param meaning: that form, for the error's words
    :param other: the form of values that it does not name, which are sent with a warning
    :raises PollySsmlError: any other value
    """
    if value is None or value in words:
        return value
    if pattern is not None and isinstance(value, str) and pattern.fullmatch(value):
        return value
    if other is not None and isinstance(value, str) and other.fullmatch(value):
        warn_unnamed(f"{name} {value!r:.50}")
        return value
    takes = ", ".join(words) + (", or " if words and meaning else "") + meaning
    raise PollySsmlError(f"{name} {value!r:.50} is not taken by Polly: give {takes}.")


def rate_value(rate: str | None) -> str | None:
    """Return a rate of speech that Polly takes, or may take.

    :param rate: a word, a percentage of the voice's own rate or a change of it; None where it is not given
    :raises PollySsmlError: a rate that is too low, or is none
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
    """Warn about a value of which AWS's guide says nothing.

    :param what: the value
    """
    log.warning("AWS's guide to SSML does not name %s; Polly decides.", what)


def duration_value(name: str, value: str | timedelta | None, most_seconds: float | None = None) -> str | None:
    """Return a duration as SSML writes it.

    :param name: the parameter, for the message
    :param value: such as ``500ms``, ``1.5s`` or a timedelta; None where it is not given
    :param most_seconds: the longest that Polly takes; None for any
    :raises PollySsmlError: what is no duration, or too long
    """
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


def non_empty(name: str, value: str) -> str:
    """Return a string that is not empty.

    :param name: the parameter, for the message
    :param value: the string
    :raises PollySsmlError: white space alone, or another type
    """
    if not isinstance(value, str) or not value.strip():
        raise PollySsmlError(f"{name} must not be empty, nor of another type than str.")
    return value
