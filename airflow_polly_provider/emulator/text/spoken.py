"""Text on its way to the synthesizer, each character knowing its bytes in what the client sent."""

from __future__ import annotations

from array import array


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
        """Add text that stands so in the source.

        :param text: the text.
        :param start: its first byte in the source.
        :return: the byte after its last.
        """
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
