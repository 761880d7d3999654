"""The parts that WebVTT and SRT have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_polly_provider.captions.direction import is_right_to_left, with_direction

if TYPE_CHECKING:
    from airflow_polly_provider.captions.cues import Cue

# Line breaks are spaces; other control characters and the byte order mark are removed.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]")


def clean_lines(cue: Cue) -> list[str]:
    """Return the lines of a cue that have text, each on one line and with the right direction.

    :param cue: the cue
    """
    lines = [" ".join(_CONTROL.sub("", line).split()) for line in cue.lines]
    lines = [line for line in lines if line]
    right_to_left = cue.right_to_left
    if right_to_left is None:
        right_to_left = is_right_to_left("".join(lines))
    return [with_direction(line, right_to_left=right_to_left) for line in lines]


def timestamp(milliseconds: int, separator: str) -> str:
    """Return a time as hours, minutes, seconds and milliseconds.

    :param milliseconds: the time in milliseconds
    :param separator: the character before the milliseconds
    """
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{milliseconds:03}"
