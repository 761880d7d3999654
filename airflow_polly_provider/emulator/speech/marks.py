"""Speech marks: the times of sentences, words, marks and visemes, in Polly's format."""

# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

import bisect
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.emulator.speech.audio import Event
    from airflow_polly_provider.emulator.text.spoken import SpokenText, Tag

# The sounds of each viseme: https://docs.aws.amazon.com/polly/latest/dg/ref-phoneme-tables-shell.html
_VISEMES = {
    "p": "pbmɓ",
    "t": "tdnlɾʈɖɳɭɫ",
    "S": "ʃʒɕʑʂʐ",
    "T": "θð",
    "f": "fvʋ",
    "k": "kgɡŋhxɣqɢχħʔç",
    "B": "β",
    "J": "cɟɲʎʝ",
    "i": "iɪjyʏ",
    "r": "rɹɻʀʁɽ",
    "s": "sz",
    "u": "uʊwɯʍ",
    "@": "əɐɚ",
    "a": "aæɑ",
    "e": "eø",
    "E": "ɛʌɜɝœ",
    "o": "oɤ",
    "O": "ɔɒ",
}
_VISEME_OF = {sound: viseme for viseme, sounds in _VISEMES.items() for sound in sounds}
_SIBILANTS = frozenset(_VISEMES["S"] + _VISEMES["s"])
# AWS uses a syllabic consonant where espeak uses a schwa and a consonant. An example is the end of "little".
_SYLLABIC = {"əl": "t", "ən": "t", "əm": "p"}
_SILENCE = "sil"
_PUNCTUATION = (
    " \t\r\n.,;:!?\"'()[]{}<>-"
    "\u2013\u2014\u2026\u2018\u2019\u201c\u201d\u00ab\u00bb\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b"
)
_PHONEMES = re.compile(r"\[\[.*?\]\]")
_MARKUP = re.compile(r"<[^>]*>|&[^;\s]+;|\[\[.*?\]\]")
_TAGS = re.compile(r"<[^>]*>|\[\[.*?\]\]")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
# Words that espeak reports in pieces: contractions, and numbers (each digit separately).
_REPORTED_IN_PIECES = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)+|[A-Za-z]*\d+(?:[.,]\d+)*[A-Za-z]*")
_ENTITY = re.compile(r"&[^;\s]+;")
_ORDER = {"ssml": 0, "sentence": 1, "word": 2, "viseme": 3}


def mark_lines(
    events: list[Event],
    spoken: SpokenText,
    source: str,
    *,
    tags: list[Tag],
    kinds: Iterable[str],
    end_milliseconds: int,
    markup: bool = False,
    ends_silent: bool = True,
) -> Iterator[bytes]:
    """Yield the speech marks of a synthesis, as lines with one JSON object each.

    :param events: the synthesizer's events.
    :param spoken: the spoken text.
    :param source: the request's text.
    :param tags: the text's tags for marks and pauses.
    :param kinds: Polly's SpeechMarkTypes.
    :param end_milliseconds: the length of the audio.
    :param markup: whether the spoken text contains tags.
    :param ends_silent: whether the last viseme is silence. In AWS's example with a standard voice, it is not.
    """
    wanted = set(kinds)
    data = source.encode()
    marks = [
        *_words(events, spoken, data, markup=markup),
        *_sentences(events, spoken, data, markup=markup),
        *_tags(events, tags, data),
    ]
    if "viseme" in wanted:
        marks += _visemes(events, end_milliseconds, ends_silent=ends_silent)
    chosen = [mark for mark in marks if mark["type"] in wanted and mark["time"] <= end_milliseconds]
    chosen.sort(key=lambda mark: (mark["time"], _ORDER[mark["type"]]))
    for mark in chosen:
        # Polly escapes slashes.
        line = json.dumps(mark, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
        yield line.encode() + b"\n"


def _words(
    events: Iterable[Event], spoken: SpokenText, data: bytes, *, markup: bool
) -> Iterator[dict[str, Any]]:
    last_end = 0
    for milliseconds, first, length in _word_spans(events, str(spoken), markup=markup):
        start, end = spoken.span(first, length)
        # One written word, such as a number, can be several spoken words. Polly returns only one mark for it.
        start, end = _trimmed_word(data, max(start, last_end), end)
        if start < end:
            last_end = end
            yield _mark(milliseconds, "word", start, end, data[start:end].decode(errors="replace"))


def _word_spans(events: Iterable[Event], text: str, *, markup: bool) -> list[tuple[int, int, int]]:
    """Return each word's time, first character and length. Split words that espeak reports as one word."""
    told = [(event.milliseconds, event.start, event.length) for event in events if event.kind == "word"]
    hidden = (_MARKUP if markup else _PHONEMES).sub(lambda match: " " * len(match.group()), text)
    spans: list[tuple[int, int, int]] = []
    before, end = 0, 0
    for milliseconds, start, length in [*told, (told[-1][0] if told else 0, len(text), 0)]:
        untold = [(match.start(), match.end()) for match in _WORD.finditer(hidden, end, max(start, end))]
        if untold and untold[-1][1] == start and hidden[start : start + 1].isalnum() and length:
            # espeak reports the start of some words one letter late.
            length += start - untold[-1][0]
            start = untold.pop()[0]
        for number, (first, after) in enumerate(untold, 1):
            time = before + (milliseconds - before) * number // (len(untold) + 1)
            spans.append((time, first, after - first))
        if length and start + length > end:
            spans.append((milliseconds, start, length))
        before, end = milliseconds, max(start + length, end)
    return _whole_words(spans, hidden)


def _whole_words(spans: list[tuple[int, int, int]], text: str) -> list[tuple[int, int, int]]:
    """Extend each part of a contraction or a number to the complete word."""
    whole = [match.span() for match in _REPORTED_IN_PIECES.finditer(text)]
    widened = []
    for milliseconds, first, length in spans:
        index = bisect.bisect_right(whole, first, key=lambda span: span[0]) - 1
        start, end = whole[index] if index >= 0 and first < whole[index][1] else (first, first)
        widened.append((milliseconds, start, max(end, first + length) - start))
    return widened


def _sentences(
    events: Iterable[Event], spoken: SpokenText, data: bytes, *, markup: bool
) -> Iterator[dict[str, Any]]:
    found: list[tuple[int, int, int]] = []
    for event in events:
        if event.kind == "sentence" and event.start < len(spoken):
            start, _ = spoken.span(event.start, 1)
            start -= _begun_before(data[:start])
            if not found or start > found[-1][1]:
                found.append((event.milliseconds, start, event.start))
    text = _TAGS.sub(lambda match: " " * len(match.group()), str(spoken)) if markup else str(spoken)
    ends = [*(first for _, _, first in found[1:]), len(text)]
    for (milliseconds, start, first), after in zip(found, ends, strict=False):
        # The sentence ends at its last spoken character. A closing tag after it is not part of the sentence.
        length = len(text[first:after].rstrip())
        start, end = _trimmed(data, start, spoken.span(first, length)[1] if length else start)
        if start < end:
            yield _mark(milliseconds, "sentence", start, end, data[start:end].decode(errors="replace"))


def _tags(events: Iterable[Event], tags: list[Tag], data: bytes) -> Iterator[dict[str, Any]]:
    waiting = list(tags)
    for event in events:
        if event.kind != "mark":
            continue
        # The synthesizer reports a mark's name, but not the position of its tag. Marks are in text order.
        while waiting:
            tag = waiting.pop(0)
            if tag.espeak_mark != event.name:
                continue
            if tag.mark is not None:
                yield _mark(event.milliseconds, "ssml", tag.start, tag.end, tag.mark)
            else:
                # Polly reports a pause as a word.
                written = data[tag.start : tag.end].decode(errors="replace")
                yield _mark(event.milliseconds, "word", tag.start, tag.end, written)
            break


def _visemes(
    events: Iterable[Event], end_milliseconds: int, *, ends_silent: bool
) -> Iterator[dict[str, Any]]:
    last = _SILENCE
    silent_since: int | None = None
    for event in events:
        if event.kind != "phoneme":
            continue
        viseme = _viseme_of(event.name)
        if viseme == _SILENCE:
            silent_since = event.milliseconds if silent_since is None else silent_since
            continue
        if silent_since is not None and last != _SILENCE:
            yield {"time": silent_since, "type": "viseme", "value": _SILENCE}
        yield {"time": event.milliseconds, "type": "viseme", "value": viseme}
        last, silent_since = viseme, None
    if last != _SILENCE and ends_silent:
        time = end_milliseconds if silent_since is None else silent_since
        yield {"time": time, "type": "viseme", "value": _SILENCE}


def _viseme_of(name: str) -> str:
    """Return the viseme for a sound. espeak names sounds in IPA, with marks for stress and length."""
    sounds = "".join(sound for sound in name if sound in _VISEME_OF)
    if sounds in _SYLLABIC:
        return _SYLLABIC[sounds]
    if len(sounds) > 1 and sounds[0] in "td" and sounds[1] in _SIBILANTS:
        # An affricate has the viseme of its second sound.
        return _VISEME_OF[sounds[1]]
    return _VISEME_OF[sounds[0]] if sounds else _SILENCE


def _mark(time: int, kind: str, start: int, end: int, value: str) -> dict[str, Any]:
    return {"time": time, "type": kind, "start": start, "end": end, "value": value}


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start : start + 1].isspace():
        start += 1
    while end > start and data[end - 1 : end].isspace():
        end -= 1
    return start, end


def _trimmed_word(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Remove white space and punctuation around a word. The result can be empty."""
    text = data[start:end].decode(errors="ignore")
    if _ENTITY.fullmatch(text):
        return start, end
    left = text.lstrip(_PUNCTUATION)
    start += len(text.encode()) - len(left.encode())
    return start, start + len(left.rstrip(_PUNCTUATION).encode())


def _begun_before(data: bytes) -> int:
    """Return the number of bytes at the end of a text that belong to an unfinished word.

    The caller needs this number because espeak sometimes reports the start of a sentence one letter late.
    """
    text = data[-64:].decode(errors="ignore")
    kept = len(text)
    while kept and text[kept - 1].isalnum():
        kept -= 1
    return len(text[kept:].encode())
