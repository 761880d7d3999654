"""Reads speech marks as sentences with readable text and the times of their words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_polly_provider.captions.marks import SENTENCE, read_marks
from airflow_polly_provider.captions.readable import ReadableText

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.marks import BinaryFile, Mark
    from airflow_polly_provider.captions.readable import TextType

# Before white space, each of these closes something; German and French use opposite marks.
_CLOSING = re.compile(r"[\"'\u2018\u2019\u201c\u201d\u00ab\u00bb\u2039\u203a)\]]+(?=\s)")
_PAUSE_MS = 1500
_MAX_LOOSE_WORDS = 500


class SpokenWord(NamedTuple):
    """A word of a sentence, and when it is spoken.

    :param time_ms: its start in milliseconds
    :param start: its position in the text of the sentence, in characters (code points)
    :param end: the position after it
    :param until_ms: the word lasts at least until this time, in milliseconds; None if the marks do not tell.
        They tell it if a ``<break>`` follows, or if there are several marks for the word, such as for the
        words of a number.
    """

    time_ms: int
    start: int
    end: int
    until_ms: int | None = None


class SpokenSentence(NamedTuple):
    """A sentence, and when it is spoken.

    :param time_ms: its start in milliseconds
    :param text: its readable text, without tags and line breaks; never empty
    :param words: its words in the order of the text. They do not overlap, and contain only whole characters,
        as a reader sees them. It is empty if there are no speech marks of words.
    """

    time_ms: int
    text: str
    words: tuple[SpokenWord, ...]


def read_sentences(
    marks: bytes | str | os.PathLike[str] | BinaryFile | Iterable[bytes],
    *,
    text_type: Literal["text", "ssml"] | None = None,
) -> Iterator[SpokenSentence]:
    """Return an iterator over the sentences of speech marks. It keeps one sentence in memory.

    The speech marks should have the types ``sentence`` and ``word``. Without ``word``, the sentences have no
    words. Without ``sentence``, the words form sentences that end at pauses; they have no punctuation. Other
    types are skipped. Several marks for the same place are one word. A mark without readable text, such as
    that of a ``<break>``, is no word.

    :param marks: the speech marks as bytes or str, the path of a file, a binary file object, or an iterable
        of bytes; from Polly, or of a document
    :param text_type: Polly's TextType of the spoken text: ``ssml`` or ``text``. By default, what looks like a
        tag of Polly's SSML or like an entity is removed or replaced, which can be wrong in a ``text`` about
        SSML.
    :raises ValueError: a line is not a speech mark, when the iterator reaches it. The error has the number of
        the line, from 1, and never its text. Also if ``text_type`` has another value.
    """
    if text_type not in ("text", "ssml", None):
        raise ValueError(f"text_type must be 'text', 'ssml' or None, not {text_type!r}")
    return _sentences(read_marks(marks), text_type)


def _sentences(marks: Iterator[Mark], text_type: TextType | None) -> Iterator[SpokenSentence]:
    sentence: Mark | None = None
    words: list[Mark] = []
    loose: list[Mark] = []
    """Words that are in no sentence so far."""
    for mark in marks:
        if mark.kind == SENTENCE:
            if sentence:
                sentence, mark = _with_closing_marks(sentence, mark)
                yield from _with_words(sentence, words, text_type)
            # A word can have the same time as the sentence that it begins, and be before it in the file.
            words = [word for word in loose if mark.start <= word.start < mark.end]
            loose = [word for word in loose if not mark.start <= word.start < mark.end]
            yield from _loose_sentence(loose, text_type)
            sentence, loose = mark, []
        elif sentence and mark.start < sentence.end and mark.end > sentence.start:
            words.append(mark)
        else:
            if loose and (
                mark.time_ms - loose[-1].time_ms >= _PAUSE_MS + 8 * len(loose[-1].value)
                or len(loose) >= _MAX_LOOSE_WORDS
            ):
                if sentence:
                    yield from _with_words(sentence, words, text_type)
                    sentence, words = None, []
                yield from _loose_sentence(loose, text_type)
                loose = []
            loose.append(mark)
    if sentence:
        yield from _with_words(sentence, words, text_type)
    yield from _loose_sentence(loose, text_type)


def _with_closing_marks(sentence: Mark, following: Mark) -> tuple[Mark, Mark]:
    """Return two sentences, with quotation marks that close the first one moved to it."""
    found = _CLOSING.match(following.value) if following.start == sentence.end else None
    if found is None:
        return sentence, following
    end = sentence.end + len(found[0].encode())
    return (
        sentence._replace(end=end, value=sentence.value + found[0]),
        following._replace(start=min(end, following.end), value=following.value[found.end() :]),
    )


def _with_words(sentence: Mark, marks: list[Mark], text_type: TextType | None) -> Iterator[SpokenSentence]:
    """Yield a sentence, if there is something to read."""
    readable = ReadableText(sentence.value, text_type)
    if not readable.text:
        return
    words: list[SpokenWord] = []
    done = 0
    for mark in marks:
        start, end = readable.span(mark.start - sentence.start, mark.end - sentence.start, after=done)
        if start < end:
            words.append(SpokenWord(mark.time_ms, start, end))
            done = end
        elif words:
            words[-1] = words[-1]._replace(until_ms=mark.time_ms)
    time_ms = min(sentence.time_ms, words[0].time_ms) if words else sentence.time_ms
    yield SpokenSentence(time_ms, readable.text, tuple(words))


def _loose_sentence(marks: list[Mark], text_type: TextType | None) -> Iterator[SpokenSentence]:
    """Yield a sentence of words whose sentence is not known, if there are any."""
    words: list[SpokenWord] = []
    text = ""
    before: Mark | None = None
    for mark in marks:
        value = ReadableText(mark.value, text_type).text
        if value and not (before and mark.start < before.end and mark.end > before.start):
            # Words of Chinese, Japanese or Thai follow each other without a space.
            if before and mark.start != before.end:
                text += " "
            words.append(SpokenWord(mark.time_ms, len(text), len(text) + len(value)))
            text += value
            before = mark
        elif words:
            words[-1] = words[-1]._replace(until_ms=mark.time_ms)
    if words:
        yield SpokenSentence(words[0].time_ms, text, tuple(words))
