"""What the parts of a synthesis hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

MARKS = "json"
"""The OutputFormat that holds speech marks instead of audio."""


@dataclass(frozen=True)
class Event:
    """Something that happens while text is spoken.

    :param kind: ``sentence``, ``word``, ``mark`` or ``phoneme``.
    :param milliseconds: from the start of the audio.
    :param start: index of the first character, in the string that was spoken.
    :param length: in characters; 0 for a mark or a phoneme.
    :param name: the mark's name or the phoneme.
    """

    kind: str
    milliseconds: int
    start: int
    length: int = 0
    name: str = ""
