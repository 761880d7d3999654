"""Writes captions as WebVTT: https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_polly_provider.captions.lines import clean_lines, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.cues import Cue

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def is_language_tag(value: str) -> bool:
    """Return whether a text has the form of a language tag, such as ``en-US``."""
    return _LANGUAGE.fullmatch(value) is not None


def write_webvtt(cues: Iterable[Cue], *, language: str | None = None) -> Iterator[str]:
    """Return an iterator over the text of a WebVTT file: the header, and then one cue at a time.

    ``&``, ``<`` and ``>`` are escaped. A line whose first letter has another direction than the cue has a
    direction mark in front (U+200E or U+200F), because players show each line in the direction of its first
    letter.

    :param cues: the cues in order
    :param language: the language as a tag such as ``en-US``, for the header; players may ignore it
    :raises ValueError: ``language`` is no language tag
    """
    if language is not None and not is_language_tag(language):
        raise ValueError(f"language must be a language tag such as 'en-US', not {language!r}")
    return _written(cues, f"WEBVTT\nLanguage: {language}\n\n" if language else "WEBVTT\n\n")


def _written(cues: Iterable[Cue], header: str) -> Iterator[str]:
    yield header
    for cue in cues:
        if lines := clean_lines(cue):
            text = "\n".join(lines).translate(_ESCAPES)
            yield f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}\n{text}\n\n"
