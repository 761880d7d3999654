"""The text for the synthesizer, with each character's position in the request's text."""

from __future__ import annotations

import re
from array import array
from typing import NamedTuple

# The full stop after a title does not end the sentence, but the synthesizer treats it as the end.
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|Rev|Sr|Sra|Mme|Hr|St)\.(?=\s+\w)")


class Tag(NamedTuple):
    """An SSML tag that has its own speech mark.

    :param espeak_mark: the name of the mark with which the synthesizer reports the tag's time.
    :param start: the position of the tag's first byte in the source.
    :param end: the position after the tag's last byte.
    :param mark: the name of a ``mark`` tag; None for a pause.
    """

    espeak_mark: str
    start: int
    end: int
    mark: str | None


class SpokenText:
    """A string for the synthesizer, built piece by piece.

    It maps the synthesizer's positions to Polly's. Polly's speech marks count UTF-8 bytes of the request's
    text, including tags. The synthesizer counts characters of its own input, in which words may be replaced.
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
        """Add text exactly as it is in the source, except that full stops after titles are omitted.

        :param text: the text.
        :param start: the position of its first byte in the source.
        :return: the position after its last byte.
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
        """Add text that replaces a part of the source.

        :param text: the text.
        :param start: the position of the replaced part's first byte.
        :param end: the position after its last byte.
        """
        self._starts.extend([start] * len(text))
        self._ends.extend([end] * len(text))
        self._pieces.append(text)

    def span(self, start: int, length: int) -> tuple[int, int]:
        """Return the source position of a part of the string.

        :param start: the index of the part's first character.
        :param length: the number of characters, at least 1.
        :return: the position of its first byte, and the position after its last byte.
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
