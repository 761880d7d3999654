"""Estimates when words end, because speech marks have only their starts."""

from __future__ import annotations

import statistics
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.captions.width import CAPTION_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.sentences import SpokenSentence

_USUAL_RATE = 8.0
"""Milliseconds for each unit of width: 64 ms for a Latin letter, 168 ms for a Chinese character."""
_LOWEST_RATE, _HIGHEST_RATE = 2.0, 60.0
_SHORTEST_WORD_MS = 120
_ENOUGH_WORDS = 5
_REMEMBERED_WORDS = 50
_DIGIT_LETTERS, _SIGN_LETTERS = 4, 6


class TimedWord(NamedTuple):
    """A word with its estimated end.

    :param time_ms: its start in milliseconds
    :param end_ms: its end in milliseconds
    :param start: its position in the text, in characters
    :param end: the position after it
    """

    time_ms: int
    end_ms: int
    start: int
    end: int


class TimedSentence(NamedTuple):
    """A sentence with estimated ends.

    :param start_ms: the start of its first word, or of the sentence if it has no words
    :param end_ms: its end in milliseconds
    :param text: its text
    :param words: its words
    :param letter_ms: about how long a letter lasts, in milliseconds
    """

    start_ms: int
    end_ms: int
    text: str
    words: tuple[TimedWord, ...]
    letter_ms: float


def timed_sentences(
    sentences: Iterable[SpokenSentence], duration_ms: int | None = None
) -> Iterator[TimedSentence]:
    """Yield sentences with the estimated ends of their words.

    A word lasts as long as its letters take at the speaking rate. The rate is the median time between the
    starts of words, for each letter: of this sentence, or of the last 50 words if the sentence has fewer than
    5 of these times. A digit counts as 4 letters and a sign such as "%" as 6, because they are spoken as
    words. A word ends at the latest when the next one starts, and lasts at least until its ``until_ms``.

    :param sentences: the sentences
    :param duration_ms: the length of the audio in milliseconds, if it is known
    """
    recent: deque[float] = deque(maxlen=_REMEMBERED_WORDS)
    before: SpokenSentence | None = None
    for sentence in sentences:
        if before:
            yield _timed(before, recent, sentence.words[0].time_ms if sentence.words else sentence.time_ms)
        before = sentence
    if before:
        yield _timed(before, recent, duration_ms)


def _timed(sentence: SpokenSentence, recent: deque[float], limit_ms: int | None) -> TimedSentence:
    """Return a sentence with estimated ends, at or before a limit."""
    text, words = sentence.text, sentence.words
    lengths = [_spoken_length(text[word.start : word.end]) for word in words]
    rates = [
        (after.time_ms - word.time_ms) / (length + CAPTION_WIDTHS.narrow)
        for (word, after), length in zip(pairwise(words), lengths, strict=False)
        if after.time_ms > word.time_ms
    ]
    if len(rates) < _ENOUGH_WORDS:
        rates += recent
    rate = statistics.median(rates) if rates else _USUAL_RATE
    recent.extend(rates[: len(words)])
    rate = min(max(rate, _LOWEST_RATE), _HIGHEST_RATE)
    letter_ms = rate * CAPTION_WIDTHS.narrow
    if not words:
        end_ms = sentence.time_ms + max(_SHORTEST_WORD_MS, round(rate * _spoken_length(text)))
        end_ms = _limited(end_ms, limit_ms, sentence.time_ms)
        return TimedSentence(sentence.time_ms, end_ms, text, (), letter_ms)
    timed = []
    for index, (word, length) in enumerate(zip(words, lengths, strict=True)):
        limit = words[index + 1].time_ms if index + 1 < len(words) else limit_ms
        end_ms = word.time_ms + max(_SHORTEST_WORD_MS, round(rate * length))
        end_ms = _limited(max(end_ms, word.until_ms or 0), limit, word.time_ms)
        timed.append(TimedWord(word.time_ms, end_ms, word.start, word.end))
    end_ms = timed[-1].end_ms
    if rest := _spoken_length(text[words[-1].end :].strip(" .,;:!?")):
        end_ms = _limited(end_ms + round(rate * rest), limit_ms, end_ms)
    return TimedSentence(words[0].time_ms, end_ms, text, tuple(timed), letter_ms)


def _limited(end_ms: int, limit_ms: int | None, start_ms: int) -> int:
    return end_ms if limit_ms is None else max(min(end_ms, limit_ms), start_ms)


def _spoken_length(text: str) -> int:
    """Return about how long a text is when it is spoken, in units of width."""
    length = CAPTION_WIDTHS.width(text)
    if text.isalpha():
        return length
    digits = sum(map(str.isdecimal, text))
    signs = sum(text.count(sign) for sign in "$€£¥%&+=@#")
    return length + CAPTION_WIDTHS.narrow * (digits * (_DIGIT_LETTERS - 1) + signs * (_SIGN_LETTERS - 1))
