"""Writes a transcript with the times of words, as JSON.

The form is the JSON transcript of Podcasting 2.0, with one more member, ``words``:
https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/examples/transcripts/transcripts.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_polly_provider.captions.timing import timed_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.sentences import SpokenSentence
    from airflow_polly_provider.captions.timing import TimedSentence

_SHORTEST_PAUSE_MS = 250


def write_transcript(sentences: Iterable[SpokenSentence], *, duration_ms: int | None = None) -> Iterator[str]:
    """Yield the text of a JSON transcript, one sentence at a time.

    It has the members ``version`` and ``segments``. A segment is a sentence with ``startTime``, ``endTime``,
    ``body`` and ``words``; a word has ``startTime``, ``endTime``, ``body``, and its place in the sentence:
    ``start`` and ``end``, in characters (code points). Times are in seconds. The ends are estimated, because
    speech marks have only starts: a word ends when the next one starts, or earlier if there is a pause.

    :param sentences: the sentences in order, from
        :func:`~airflow_polly_provider.captions.sentences.read_sentences`
    :param duration_ms: the length of the audio in milliseconds, if it is known
    """
    yield '{"version":"1.0.0","segments":['
    before = "\n"
    for sentence in timed_sentences(sentences, duration_ms):
        yield before + _segment(sentence)
        before = ",\n"
    yield "\n]}\n"


def _segment(sentence: TimedSentence) -> str:
    following = [word.time_ms for word in sentence.words[1:]] + [sentence.end_ms]
    words = ",".join(
        f"{_member(word.time_ms, _end(word.end_ms, after), sentence.text[word.start : word.end])},"
        f'"start":{word.start},"end":{word.end}}}'
        for word, after in zip(sentence.words, following, strict=False)
    )
    return f'{_member(sentence.start_ms, sentence.end_ms, sentence.text)},"words":[{words}]}}'


def _end(end_ms: int, next_ms: int) -> int:
    """Return the end of a word: the start of the next one, if there is no pause between them."""
    return next_ms if end_ms < next_ms < end_ms + _SHORTEST_PAUSE_MS else end_ms


def _member(start_ms: int, end_ms: int, body: str) -> str:
    """Return the beginning of an object with its times and its text."""
    return (
        f'{{"startTime":{_seconds(start_ms)},"endTime":{_seconds(end_ms)},'
        f'"body":{json.dumps(body, ensure_ascii=False)}'
    )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03}"
