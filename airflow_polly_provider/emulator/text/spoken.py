"""Text on its way to the synthesizer, each character knowing its bytes in what the client sent."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

# The full stop of a title ends no sentence, but for the synthesizer it does.
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Rev|Sr|Sra|Mme|Hr|St)\.(?=\s+\w)")


class Tag(NamedTuple):
    """An SSML tag that has a speech mark of its own.

    :param told_as: the name of the mark by which the synthesizer tells when its time has come.
    :param start: its first byte in the source.
    :param end: the byte after its last.
    :param mark: the name of a ``mark`` tag; None for a pause.
    """

    told_as: str
    start: int
    end: int
    mark: str | None


class SpokenText:
    """A string to be spoken, built piece by piece.

    Polly's speech marks count UTF-8 bytes of the request's text, tags included; the synthesizer counts
    characters of what it was given, which may be other words altogether.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._starts = array("I")
        self._ends = array("I")

    def __str__(self) -> str:
        return "".join(self._pieces)

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, text: str, start: int) -> int:
        """Add text that stands so in the source. Full stops after titles are left out.

        :param text: the text.
        :param start: its first byte in the source.
        :return: the byte after its last.
        """
        at, done = start, 0
        for title in _TITLE.finditer(text):
            at = self._add(text[done : title.end() - 1], at) + 1
            done = title.end()
        return self._add(text[done:], at)

    def _add(self, text: str, start: int) -> int:
        at = start
        for character in text:
            width = _utf8_width(character)
            self._starts.append(at)
            at += width
            self._ends.append(at)
        self._pieces.append(text)
        return at

    def add_for(self, text: str, start: int, end: int) -> None:
        """Add text that stands for something else in the source.

        :param text: the text.
        :param start: the first byte of what it stands for.
        :param end: the byte after the last.
        """
        self._starts.extend([start] * len(text))
        self._ends.extend([end] * len(text))
        self._pieces.append(text)

    def span(self, start: int, length: int) -> tuple[int, int]:
        """Find a piece of the string in the source.

        :param start: index of its first character.
        :param length: its number of characters, at least 1.
        :return: the first byte, and the byte after the last.
        """
        if not self._starts:
            return 0, 0
        first = min(max(start, 0), len(self._starts) - 1)
        last = min(first + max(length, 1), len(self._starts)) - 1
        return self._starts[first], max(self._ends[last], self._starts[first])


def _utf8_width(character: str) -> int:
    code = ord(character)
    if code < 0x80:
        return 1
    if code < 0x800:
        return 2
    return 3 if code < 0x10000 else 4
