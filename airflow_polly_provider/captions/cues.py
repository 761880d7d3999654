"""Makes the cues of captions from spoken sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.captions.direction import is_right_to_left
from airflow_polly_provider.captions.fitting import Fitter
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.parts import follows_without_space, parts_of
from airflow_polly_provider.captions.timing import TimedSentence, timed_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.parts import Part
    from airflow_polly_provider.captions.sentences import SpokenSentence

_SHORT_MS = 1000
_AFTER_LAST_WORD_MS = 300
_READABLE_MS = 800
_DEFAULT_LAYOUT = CueLayout()


class Cue(NamedTuple):
    """A caption, and when it is shown.

    :param start_ms: its start in milliseconds
    :param end_ms: its end in milliseconds, after its start
    :param lines: its lines from top to bottom, in the order in which they are read
    :param right_to_left: whether the text runs from right to left; None if its lines decide
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    right_to_left: bool | None = None


def make_cues(
    sentences: Iterable[SpokenSentence],
    *,
    layout: CueLayout = _DEFAULT_LAYOUT,
    duration_ms: int | None = None,
) -> Iterator[Cue]:
    """Yield the cues of sentences, in order. They do not overlap.

    Each sentence has its own cues. Only sentences that are shorter than one second, such as "Yes.", share a
    cue, if they fit and there is no pause between them. A sentence that does not fit into a cue is divided:
    at pauses, then rather at the end of a clause, and into cues of about the same width. Words and characters
    are not divided. A word that is longer than a line has a line of its own.

    A cue starts with its first word. It ends 0.3 seconds after the estimated end of its last word, and is
    shown for at least 0.8 seconds. It ends earlier if the next cue starts, if it was shown for
    ``max_seconds``, or if the audio ends. If the speech marks of two cues have the same time, the second one
    starts 1 ms later.

    The ends of words are estimated from their length and the speaking rate, because speech marks have only
    their starts. A pause is the time from the estimated end of a word to the start of the next one.

    :param sentences: the sentences in order, from
        :func:`~airflow_polly_provider.captions.sentences.read_sentences`
    :param layout: the limits of a cue
    :param duration_ms: the length of the audio in milliseconds, if it is known
    """
    pending: Cue | None = None
    for spoken in _spoken_cues(sentences, layout, duration_ms):
        start_ms = spoken.start_ms
        if pending:
            start_ms = max(start_ms, pending.start_ms + 1)
            yield pending._replace(end_ms=min(pending.end_ms, start_ms))
        end_ms = max(spoken.end_ms + _AFTER_LAST_WORD_MS, start_ms + _READABLE_MS)
        if duration_ms is not None:
            end_ms = min(end_ms, duration_ms)
        end_ms = max(min(end_ms, start_ms + layout.max_ms), start_ms + 1)
        pending = spoken._replace(start_ms=start_ms, end_ms=end_ms)
    if pending:
        yield pending


def _spoken_cues(
    sentences: Iterable[SpokenSentence], layout: CueLayout, duration_ms: int | None
) -> Iterator[Cue]:
    """Yield cues that end with the estimated end of their last word."""
    group: _Group | None = None
    for sentence in timed_sentences(sentences, duration_ms):
        own = _Group(sentence, layout)
        if group:
            joined = group.joined(own)
            if joined:
                group = joined
                continue
            yield from group.cues()
        group = own
    if group:
        yield from group.cues()


class _Group:
    """One sentence, or several short ones."""

    def __init__(
        self, sentence: TimedSentence, layout: CueLayout, sentence_ends: frozenset[int] = frozenset()
    ) -> None:
        self._sentence = sentence
        self._layout = layout
        self._ends = sentence_ends
        self._right_to_left = is_right_to_left(sentence.text)
        self._is_short = bool(sentence_ends) or sentence.end_ms - sentence.start_ms < _SHORT_MS

    def joined(self, other: _Group) -> _Group | None:
        """Return both groups as one, if they fit into a cue."""
        before, after = self._sentence, other._sentence
        if (
            not (self._is_short and other._is_short)
            or self._right_to_left is not other._right_to_left
            or after.start_ms - before.end_ms >= self._layout.pause_ms
        ):
            return None
        text = before.text if follows_without_space(before.text) else f"{before.text} "
        moved = (
            word._replace(start=word.start + len(text), end=word.end + len(text)) for word in after.words
        )
        sentence = TimedSentence(
            before.start_ms, after.end_ms, text + after.text, (*before.words, *moved), before.letter_ms
        )
        group = _Group(sentence, self._layout, self._ends | {len(before.text)})
        return group if group._fitter()[1].fits() else None

    def _fitter(self) -> tuple[list[Part], Fitter]:
        widths = self._layout.widths.widths(self._sentence.text)
        parts = parts_of(self._sentence, self._layout, widths, self._ends)
        return parts, Fitter(parts, widths, self._layout)

    def cues(self) -> Iterator[Cue]:
        """Yield the cues of the group."""
        parts, fitter = self._fitter()
        text = self._sentence.text
        for first, end in fitter.cues():
            lines = tuple(
                text[parts[start].start : parts[after - 1].end] for start, after in fitter.lines(first, end)
            )
            spoken = next((part for part in parts[first:end] if part.has_word), parts[first])
            yield Cue(spoken.time_ms, parts[end - 1].end_ms, lines, self._right_to_left)
