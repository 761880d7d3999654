"""The positions at which a text may be cut, from the best kind to the last resort.

A cut is before a character that is not white space: white space stays with the text before it. A cut is never
inside a grapheme, and there is something to speak on both sides of it.

The language of the text is not known. If a full stop is doubtful, as after an abbreviation or a number, it is
not a sentence end: a missed cut costs nothing, but a cut inside a sentence can be heard.
"""

from __future__ import annotations

# ruff: noqa: RUF001  # the punctuation of many scripts
import re
import unicodedata
from enum import IntEnum
from typing import TYPE_CHECKING

from airflow_polly_provider.text.abbreviations import ABBREVIATIONS, ABBREVIATIONS_BEFORE_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator


class CutKind(IntEnum):
    """The kind of a cut; the lowest value is the best."""

    PARAGRAPH = 0
    SENTENCE_AND_LINE = 1
    SENTENCE = 2
    CLAUSE = 3
    WHITE_SPACE = 4
    CHARACTER = 5


# Control characters that XML does not allow and that are white space for Python. The text of an SSML document
# has them where an element's edge is a cut.
PARAGRAPH_EDGE = "\x1d"
SENTENCE_EDGE = "\x1e"
PAUSE = "\x1f"

# Zero width space, word joiner and byte order mark: like white space, they are not spoken.
_BLANK = r"\s\u200b\u2060\ufeff"
_NO_BREAK = "\u00a0\u2007\u202f\u2060\ufeff"
_SPACE = rf"(?:(?![{_NO_BREAK}])[{_BLANK}])"
_LINE_END = r"(?:\r\n?+|[\n\x0b\x85\u2028])"
_CLOSING = r"""["'”’»«›‹“‘)\]}*_」』）】〉》〕］｝〗〙＂＇]"""
_JAPANESE_OR_CHINESE = (
    r"\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u3096\u309d-\u309f"
    r"\u30a1-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# No line begins with a small kana, an iteration mark or a prolonged sound mark.
_NOT_FIRST = "々〻ぁぃぅぇぉっゃゅょゎゕゖゝゞァィゥェォッャュョヮヵヶー・ヽヾㇰ-ㇿｧ-ｯｰﾞﾟ"
_KOREAN = r"\uac00-\ud7a3"

# A search for a sentence end starts only at the first of several marks. Otherwise the time for a line of full
# stops would be the square of its length.
_STOPS = ".!?…‽।॥؟۔"
_MARKS = "。！？｡．…!?"

_PARAGRAPH = re.compile(
    rf"(?:[\f\u2029{PARAGRAPH_EDGE}]|{_LINE_END}[^\S\n\r\x0b\x85\u2028]*+{_LINE_END})[{_BLANK}]*+"
)
_SENTENCE = re.compile(
    # A text in Chinese or Japanese needs no white space after a sentence. "と" after a quotation goes on with
    # the sentence around it.
    rf"""(?<![{_MARKS}])(?:[…!?]*+[。！？｡．]|(?<=[{_JAPANESE_OR_CHINESE}])[!?])[{_MARKS}]*+
        (?:{_CLOSING}++(?![とってのがはをにもや]))?+(?!{_CLOSING})[{_BLANK}]*+
    # In French, white space can precede a closing quotation mark.
    |(?<![{_STOPS}])(?P<end>[{_STOPS}]++)(?:{_CLOSING}|[\ \u00a0\u202f\u2009][»›](?=[{_BLANK}]))*+[{_BLANK}]++
    |{SENTENCE_EDGE}[{_BLANK}]*+""",
    re.VERBOSE,
)
_CLAUSE = re.compile(
    rf"""(?:[,;:،؛!?…]|(?<=[{_BLANK}])[–-]){_CLOSING}*+[{_BLANK}]++
    |[，、；：､]{_CLOSING}*+[{_BLANK}]*+
    |(?:—|--)[—-]*+(?:["'](?=[{_BLANK}]))?[{_BLANK}]*+
    |{PAUSE}[{_BLANK}]*+""",
    re.VERBOSE,
)
_WHITE_SPACE = re.compile(rf"{_SPACE}[{_BLANK}]*+")
_CHARACTER = re.compile(
    rf"(?<=[{_JAPANESE_OR_CHINESE}{_KOREAN}\u3099\u309a、。，．！？：；」』）】〉》])"
    rf"(?=[{_JAPANESE_OR_CHINESE}{_KOREAN}「『（【〈《])(?![{_NOT_FIRST}])"
)

_SPOKEN = re.compile(rf"[^{_BLANK}]")
_BREAK = re.compile(_SPACE)
_NEW_LINE = re.compile(_LINE_END)
_OPENING = re.compile(r"""["'“„«‹‘‚»›(\[{¿¡*_—–-]*+[\u00a0\u202f]?+""")
_LAST_WORD = re.compile(r"""[^\s.,;:!?/(\[{"'“”„«»‹›‘’—–-]*\Z""")
_ROMAN_NUMERAL = re.compile(r"[IVX]{2,5}")
_LONGEST_ABBREVIATION = 12
_ZERO_WIDTH_SPACES = "\u200b\u2060\ufeff"
_ZERO_WIDTH_JOINERS = "\u200c\u200d"


def first_spoken(text: str) -> int | None:
    """Return the position of the first character that is not white space; None if there is none.

    :param text: a plain text, or the text of an SSML document
    """
    found = _SPOKEN.search(text)
    return found.start() if found else None


def last_spoken(text: str, end: int) -> int:
    """Return the position of the last character before ``end`` that is not white space; -1 if there is none.

    :param text: the text
    :param end: a position in the text
    """
    last = end - 1
    while last >= 0 and (text[last].isspace() or text[last] in _ZERO_WIDTH_SPACES):
        last -= 1
    return last


def is_inside_grapheme(text: str, position: int) -> bool:
    """Return whether the characters on both sides of a position are one character for a reader.

    :param text: the text
    :param position: a position in the text, neither at its start nor at its end
    """
    after, before = text[position], text[position - 1]
    if before == "\r":
        return after == "\n"
    if after < "\u0300":
        return False
    return (
        unicodedata.category(after)[0] == "M"
        or after in _ZERO_WIDTH_JOINERS
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags of an emoji
        or ("\U0001f1e6" <= after <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
    )


def paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, CutKind]]:
    """Yield the cuts between paragraphs, in order, as the position and the kind.

    A blank line, a form feed or a paragraph separator ends a paragraph.

    :param text: the text
    :param start: position where the search begins
    :param end: position where it ends
    """
    for found in _PARAGRAPH.finditer(text, start, end):
        yield found.end(), CutKind.PARAGRAPH


def sentences(text: str, start: int, end: int) -> Iterator[tuple[int, CutKind]]:
    """Yield the cuts between sentences, like :func:`paragraphs`.

    :param text: the text
    :param start: position where the search begins
    :param end: position where it ends
    """
    for found in _SENTENCE.finditer(text, start, end):
        cut = found.end()
        if cut >= end:
            return
        blanks = text[last_spoken(text, cut) + 1 : cut]
        if SENTENCE_EDGE in blanks:
            yield cut, CutKind.SENTENCE_AND_LINE
        elif _may_break(blanks) and (
            found["end"] is None or _is_sentence_end(text, found.start(), found["end"], cut)
        ):
            yield cut, CutKind.SENTENCE_AND_LINE if _NEW_LINE.search(blanks) else CutKind.SENTENCE


def clauses(text: str, start: int, end: int) -> Iterator[tuple[int, CutKind]]:
    """Yield the cuts after commas, colons, semicolons, dashes and pauses, like :func:`paragraphs`.

    :param text: the text
    :param start: position where the search begins
    :param end: position where it ends
    """
    for found in _CLAUSE.finditer(text, start, end):
        if _may_break(text[last_spoken(text, found.end()) + 1 : found.end()]):
            yield found.end(), CutKind.CLAUSE


def white_space(text: str, start: int, end: int) -> Iterator[tuple[int, CutKind]]:
    """Yield the cuts after white space that is not a no-break space, like :func:`paragraphs`.

    :param text: the text
    :param start: position where the search begins
    :param end: position where it ends
    """
    for found in _WHITE_SPACE.finditer(text, start, end):
        yield found.end(), CutKind.WHITE_SPACE


def characters(text: str, start: int, end: int) -> Iterator[tuple[int, CutKind]]:
    """Yield the cuts between two Chinese, Japanese or Korean characters, like :func:`paragraphs`.

    :param text: the text
    :param start: position where the search begins
    :param end: position where it ends
    """
    for found in _CHARACTER.finditer(text, start, end):
        yield found.end(), CutKind.CHARACTER


def _may_break(blanks: str) -> bool:
    """Return whether a line may end in white space, or if there is none."""
    return not blanks or _BREAK.search(blanks) is not None


def _is_sentence_end(text: str, position: int, marks: str, after: int) -> bool:
    """Return whether a full stop or the like ends a sentence.

    :param text: the text
    :param position: the position of the full stop
    :param marks: the full stop, or several marks such as "?!"
    :param after: the position after the white space that follows it
    """
    opening = _OPENING.match(text, after)
    first = opening.end() if opening else after
    following = text[first : first + 1]
    if following.islower():
        return False
    if marks != ".":
        return True
    found = _LAST_WORD.search(text[max(position - _LONGEST_ABBREVIATION, 0) : position])
    word = found[0] if found else ""
    if len(word) == 1 and word.isalpha() and not _is_syllable(word):
        return False
    if (word.isdecimal() and len(word) <= 2) or _ROMAN_NUMERAL.fullmatch(word):
        return False
    word = word.lower()
    return not (word in ABBREVIATIONS or (following.isdecimal() and word in ABBREVIATIONS_BEFORE_NUMBER))


def _is_syllable(character: str) -> bool:
    """Return whether a character is a syllable or a word: it is then not the initial of a name."""
    return "\u2e80" <= character <= "\ud7a3" or character >= "\uf900"
