"""Makes readable text of a part of the spoken text, and maps positions."""

from __future__ import annotations

import re
import unicodedata
from array import array
from html import unescape
from typing import TYPE_CHECKING, Literal

from airflow_polly_provider.text.boundaries import is_inside_grapheme

if TYPE_CHECKING:
    from collections.abc import Sequence

TextType = Literal["text", "ssml"]

_ATTRIBUTES = r"""(?:[^"'<>]|"[^"]*"|'[^']*')*"""
_OPENING = r"(?P<opening><!--|<!\[CDATA\[|<\?)"
_CLOSING = {"<!--": "-->", "<![CDATA[": "]]>", "<?": "?>"}
_NAMES = (
    "break|desc|emphasis|lang|lexicon|mark|metadata|p|phoneme|prosody|s|say-as|speak|sub|w|amazon:[a-z:-]+"
)
_MARKUP = {
    "ssml": re.compile(
        rf"(?P<tag></?(?P<name>[^\s<>/!?]+){_ATTRIBUTES}>)|{_OPENING}|(?P<entity>&#?\w+;)",
    ),
    # A sentence does not say whether it is SSML, so only what looks like Polly's SSML is markup.
    None: re.compile(
        rf"(?P<tag></?(?P<name>{_NAMES})(?=[\s/>]){_ATTRIBUTES}>)|{_OPENING}"
        r"|(?P<entity>&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});)",
    ),
}
# Words on the two sides of these tags are separate words, even if there is no white space.
_SEPARATING = frozenset(["break", "p", "s", "speak"])
_BYTE_ORDER_MARK = "\ufeff"
# After these, the next consonant belongs to the same character: Devanagari, Bengali, Gujarati, Odia,
# Telugu and Malayalam.
_CONJUNCT_SIGNS = "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d"


def is_boundary(text: str, position: int) -> bool:
    """Return whether a reader sees different characters on the two sides of a position.

    :param text: the text
    :param position: a position in the text
    """
    if position <= 0 or position >= len(text):
        return True
    after, before = text[position], text[position - 1]
    if after < "\u0300":
        return not is_inside_grapheme(text, position)
    return not (
        is_inside_grapheme(text, position)
        or after in "\u0e33\u0eb3"  # the vowel "am" of Thai and Lao
        or "\u1160" <= after <= "\u11ff"  # the second and third letter of a Korean syllable
        or (before in _CONJUNCT_SIGNS and unicodedata.category(after) == "Lo")
    )


class ReadableText:
    """The readable text of a part of the spoken text.

    There are no tags, entities, control characters and line breaks; white space is one space.

    :param source: the part of the spoken text
    :param text_type: the type of the spoken text; None finds out whether there is markup
    """

    def __init__(self, source: str, text_type: TextType | None) -> None:
        self._source = source
        self._data = source.encode()
        self._cursor = (0, 0)
        pattern = None if text_type == "text" else _MARKUP[text_type]
        if pattern is not None and "<" not in source and "&" not in source:
            pattern = None
        self._at: Sequence[int]
        if pattern is None and source.isprintable() and " ".join(source.split()) == source:
            self.text = source
            self._at = range(len(source) + 1)
        else:
            self.text, self._at = _converted(source, pattern)

    def span(self, start: int, end: int, *, after: int) -> tuple[int, int]:
        """Return the part of the text at a place in the source, without white space around it.

        The part contains only whole characters, as a reader sees them. It is empty if there is nothing to
        read.

        :param start: the first byte in the UTF-8 form of the source
        :param end: the position after the last byte
        :param after: the part begins at this position of the text or after it
        """
        first = max(self._at[self._index(start)], after)
        last = self._at[self._index(end)]
        text = self.text
        while first < last and text[first] == " ":
            first += 1
        while first < last and text[last - 1] == " ":
            last -= 1
        if first < last and not text.isascii():
            while first > after and not is_boundary(text, first):
                first -= 1
            while not is_boundary(text, last):
                last += 1
        return first, max(first, last)

    def _index(self, position: int) -> int:
        """Return the character in the source that has a byte, or the length of the source."""
        if len(self._data) == len(self._source):
            return min(max(position, 0), len(self._data))
        position = min(max(position, 0), len(self._data))
        while 0 < position < len(self._data) and self._data[position] & 0xC0 == 0x80:
            position -= 1
        # Places come in order, so that each byte is counted about once.
        done, index = self._cursor if self._cursor[0] <= position else (0, 0)
        index += len(self._data[done:position].decode())
        self._cursor = (position, index)
        return index


class _Writer:
    """Collects the readable text."""

    def __init__(self, length: int) -> None:
        self.written: list[str] = []
        self.at = array("I", bytes(4 * (length + 1)))
        self._has_space = self._is_separate = False

    def add(self, character: str) -> None:
        if character.isspace():
            self._has_space = True
        elif unicodedata.category(character) != "Cc" and character != _BYTE_ORDER_MARK:
            if self.written and (self._has_space or (self._is_separate and self._needs_space(character))):
                self.written.append(" ")
            self._has_space = self._is_separate = False
            self.written.append(character)

    def separate(self) -> None:
        self._is_separate = True

    def _needs_space(self, character: str) -> bool:
        return (
            unicodedata.category(character) not in ("Pe", "Pf", "Po")
            and unicodedata.east_asian_width(self.written[-1]) not in "WF"
        )


def _converted(source: str, pattern: re.Pattern[str] | None) -> tuple[str, array[int]]:
    """Return the readable text, and the position in it of each character of the source."""
    writer = _Writer(len(source))
    done = position = 0
    unclosed: set[str] = set()
    while pattern and (found := pattern.search(source, position)):
        start, position = found.span()
        if opening := found["opening"]:
            end = position
            close = -1 if opening in unclosed else source.find(_CLOSING[opening], end)
            if close < 0:
                # It is text, and so are the others, which need no search.
                unclosed.add(opening)
                continue
            position = close + len(_CLOSING[opening])
        _copy(writer, source, done, start)
        done = position
        if opening == "<![CDATA[":
            _fill(writer, start, end)
            _copy(writer, source, end, close)
            start = close
        _fill(writer, start, done)
        if found["entity"]:
            for character in unescape(found["entity"]):
                writer.add("\ufffd" if "\ud800" <= character <= "\udfff" else character)
        elif found["name"] in _SEPARATING:
            writer.separate()
    _copy(writer, source, done, len(source))
    writer.at[len(source)] = len(writer.written)
    return "".join(writer.written), writer.at


def _copy(writer: _Writer, source: str, start: int, end: int) -> None:
    for index in range(start, end):
        writer.at[index] = len(writer.written)
        writer.add(source[index])


def _fill(writer: _Writer, start: int, end: int) -> None:
    for index in range(start, end):
        writer.at[index] = len(writer.written)
