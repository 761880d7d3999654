"""Cuts a sentence into the parts between which a line may end."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.captions.readable import is_boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_polly_provider.captions.layout import CueLayout
    from airflow_polly_provider.captions.timing import TimedSentence, TimedWord

_TOKEN = re.compile(r"[^ ]+")
_OPENING = ("Ps", "Pi")
_DASHES = "\u2013\u2014\u2015"
# Han, kana, Thai, Lao, Tibetan, Burmese and Khmer are written without spaces between words.
_NO_SPACES = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff01-\uff9f\U00020000-\U0003ffff]"
)
# No line begins with a small kana, an iteration mark, a prolonged sound mark, or a vowel or tone of Thai or
# Lao.
_NOT_FIRST = re.compile(
    "[々〻ぁぃぅぇぉっゃゅょゎゕゖゝゞァィゥェォッャュョヮヵヶー・ヽヾㇰ-ㇿｧ-ｯｰﾞﾟ"
    "\u0e2f-\u0e3a\u0e45-\u0e4e\u0eaf-\u0ebd\u0ec6-\u0ecd]"
)
_NOT_LAST = re.compile("[\u0e40-\u0e44\u0ec0-\u0ec4]")
_CLAUSE_END = re.compile(
    "[,;:!?\u2013\u2014\u2026\u060c\u061b\u061f\u0964\u0965\u06d4\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f]"
    r"[\"'\u2019\u201d\u00bb\u203a)\]\u300d\u300f\uff09]*\Z"
)


class Part(NamedTuple):
    """A part of a sentence that stays on one line.

    :param start: its position in the text
    :param end: the position after it, without the space behind it
    :param time_ms: the start of its first word, or the estimated time of its place
    :param end_ms: the estimated end of its last word, or the estimated time of its end
    :param has_word: whether a word begins in it; a cue should begin with such a part
    :param follows_pause: whether there is a pause before it
    :param ends_clause: whether a line should rather end here
    """

    start: int
    end: int
    time_ms: int
    end_ms: int
    has_word: bool
    follows_pause: bool
    ends_clause: bool


def follows_without_space(text: str) -> bool:
    """Return whether the next sentence follows a sentence without a space, as in Chinese and Japanese.

    :param text: the sentence
    """
    return _NO_SPACES.match(text[-1]) is not None and unicodedata.east_asian_width(text[-1]) in ("W", "F")


def parts_of(
    sentence: TimedSentence, layout: CueLayout, widths: Sequence[int], sentence_ends: frozenset[int]
) -> list[Part]:
    """Return the parts of a sentence, which are one or several words with their punctuation.

    :param sentence: the sentence
    :param layout: the limits of a cue
    :param widths: the width of the text before each position
    :param sentence_ends: positions in the text at which sentences end
    """
    text, words = sentence.text, sentence.words
    edges = _edges(text, words, lambda start, end: widths[end] - widths[start] > layout.line_width)
    moments = _Moments(sentence, widths, sentence.letter_ms / layout.widths.narrow)
    parts: list[Part] = []
    first = 0
    for start, after in pairwise(edges):
        end = after - 1 if text[after - 1] == " " else after
        last = first
        while last < len(words) and words[last].start < end:
            last += 1
        has_word = last > first
        pause_ms = words[first].time_ms - parts[-1].end_ms if has_word and parts else 0
        parts.append(
            Part(
                start,
                end,
                words[first].time_ms if has_word else moments.at(start),
                words[last - 1].end_ms if has_word and words[last - 1].end <= end else moments.at(end),
                has_word,
                pause_ms >= layout.pause_ms,
                end in sentence_ends or _CLAUSE_END.search(text, max(start, end - 8), end) is not None,
            )
        )
        first = last
    return parts


def _edges(text: str, words: Sequence[TimedWord], is_long: Callable[[int, int], bool]) -> list[int]:
    """Return the positions at which a line may begin, and the length of the text."""
    found = set(_after_spaces(text))
    found.update(_between_words(text, words))
    for word in words:
        # A word with spaces, such as a date, stays together if it fits into a line.
        if " " in text[word.start : word.end] and not is_long(word.start, word.end):
            found.difference_update(range(word.start + 1, word.end))
    edges = [0, *sorted(found), len(text)]
    if text.isascii():
        return edges
    inside = [position for word in words for position in range(word.start + 1, word.end)]
    cut = set(inside)
    complete = [0]
    for start, end in pairwise(edges):
        if is_long(start, end):
            complete += (
                position
                for position in range(start + 1, end)
                if position not in cut and _may_break(text, position)
            )
        complete.append(end)
    return complete


def _after_spaces(text: str) -> Iterator[int]:
    """Yield the positions after spaces. Separate punctuation stays with the word that it belongs to."""
    kind_before = "opening"
    for token in _TOKEN.finditer(text):
        kind = _kind(token[0])
        if kind_before != "opening" and kind != "closing":
            yield token.start()
        kind_before = kind


def _kind(token: str) -> str:
    if token[0].isalnum() or token[-1].isalnum():
        return "word"
    categories = [unicodedata.category(character) for character in token]
    if any(category[0] != "P" for category in categories):
        return "word"
    return "opening" if all(category in _OPENING for category in categories) or token in "¿¡" else "closing"


def _between_words(text: str, words: Sequence[TimedWord]) -> Iterator[int]:
    """Yield the positions between words without a space, in scripts without spaces and after dashes."""
    for index in range(1, len(words)):
        end, start = words[index - 1].end, words[index].start
        between = text[end:start]
        if " " in between:
            continue
        position = start
        while position > end and unicodedata.category(text[position - 1]) in _OPENING:
            position -= 1
        if any(dash in between for dash in _DASHES) or _may_break(text, position):
            yield position


def _may_break(text: str, position: int) -> bool:
    """Return whether a line may end between two characters, of which one is of a script without spaces."""
    before, after = text[position - 1], text[position]
    if before == " " or after == " " or not (_NO_SPACES.match(before) or _NO_SPACES.match(after)):
        return False
    return (
        unicodedata.category(before) not in _OPENING
        and unicodedata.category(after) not in ("Pe", "Pf", "Po", "Pd")
        and not _NOT_FIRST.match(after)
        and not _NOT_LAST.match(before)
        and is_boundary(text, position)
    )


class _Moments:
    """Estimates the time of any position from the times of the words around it."""

    def __init__(self, sentence: TimedSentence, widths: Sequence[int], rate: float) -> None:
        self._widths = widths
        self._rate = rate
        self._positions = [0]
        self._times = [sentence.start_ms]
        for word in sentence.words:
            self._positions += (word.start, word.end)
            self._times += (word.time_ms, word.end_ms)
        self._positions.append(len(sentence.text))
        self._times.append(max(sentence.end_ms, self._times[-1]))

    def at(self, position: int) -> int:
        index = min(max(bisect_right(self._positions, position) - 1, 0), len(self._positions) - 2)
        before, after = (self._widths[each] for each in self._positions[index : index + 2])
        start, end = self._times[index : index + 2]
        if after <= before:
            return start
        width = self._widths[position] - before
        # The text between two words does not last longer because there is a pause.
        return start + min((end - start) * width // (after - before), round(self._rate * width))
