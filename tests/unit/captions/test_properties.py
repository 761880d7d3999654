"""Rules that hold for the captions of each text."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from html import unescape
from itertools import pairwise
from typing import TYPE_CHECKING

import pysubs2
import pytest
import webvtt

from airflow_polly_provider.captions.cues import make_cues
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.sentences import read_sentences
from airflow_polly_provider.captions.srt import write_srt
from airflow_polly_provider.captions.transcript import write_transcript
from airflow_polly_provider.captions.webvtt import write_webvtt
from tests.unit.captions.marked_texts import marked_text

if TYPE_CHECKING:
    from airflow_polly_provider.captions.cues import Cue
    from airflow_polly_provider.captions.sentences import SpokenSentence
    from tests.unit.captions.marked_texts import MarkedText

EXAMPLES = int(os.environ.get("POLLY_TEST_EXAMPLES", "200"))
each_seed = pytest.mark.parametrize("seed", range(EXAMPLES))
LAYOUTS = [
    CueLayout(),
    CueLayout(),
    CueLayout(max_lines=1, max_line_characters=20, max_seconds=3, pause_seconds=0.2),
    CueLayout(max_lines=3, max_line_characters=32),
]


def sentences_of(marked: MarkedText) -> list[SpokenSentence]:
    return list(read_sentences(marked.marks, text_type="ssml" if marked.is_ssml else "text"))


def layout_of(seed: int) -> CueLayout:
    return LAYOUTS[seed % len(LAYOUTS)]


def is_one_character(text: str, position: int) -> bool:
    """Return whether a position is inside a character, in the simple cases of the random texts."""
    before, after = text[position - 1], text[position]
    return (
        unicodedata.category(after)[0] == "M"
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )


def columns(line: str, layout: CueLayout) -> float:
    """Return the width of a line, counted separately from the package, relative to the limit."""
    wide = narrow = 0
    for position, character in enumerate(line):
        if position and is_one_character(line, position):
            continue
        if unicodedata.east_asian_width(character) in "WF":
            wide += 1
        else:
            narrow += 1
    if layout.max_line_characters is None:
        return wide / 16 + narrow / 42
    return (2 * wide + narrow) / layout.max_line_characters


def check_words(marked: MarkedText, cues: list[Cue], layout: CueLayout) -> None:
    """Assert that lines have the text in order and each word on one line, and are not too wide."""
    at = 0
    places = []
    for sentence in marked.sentences:
        words = zip(sentence.places, sentence.words, strict=True)
        places += [(at + place, at + place + len(word)) for place, word in words]
        at += len(sentence.text)
    text, start = "", 0
    for line in [line for cue in cues for line in cue.lines]:
        assert line == " ".join(line.split())
        text += line.replace(" ", "")
        assert not [place for place in places if place[0] < len(text) < place[1]]
        if columns(line, layout) > 1 + 1e-9:
            assert len([place for place in places if start <= place[0] < len(text)]) <= 1
        start = len(text)
    assert text == "".join(sentence.text for sentence in marked.sentences)


def check_times(cues: list[Cue], layout: CueLayout) -> None:
    for cue in cues:
        assert cue.start_ms < cue.end_ms <= cue.start_ms + layout.max_seconds * 1000
        assert 1 <= len(cue.lines) <= layout.max_lines
    for before, after in pairwise(cues):
        assert before.end_ms <= after.start_ms
        assert before.start_ms < after.start_ms


@each_seed
def test_each_word_appears_once_and_the_cues_keep_to_the_limits(seed: int) -> None:
    marked, layout = marked_text(seed), layout_of(seed)
    sentences = sentences_of(marked)
    assert len(sentences) == len(marked.sentences)
    for sentence, expected in zip(sentences, marked.sentences, strict=True):
        assert [sentence.text[word.start : word.end] for word in sentence.words] == expected.words
        assert [word.time_ms for word in sentence.words] == expected.times
        for position in range(1, len(sentence.text)):
            if is_one_character(sentence.text, position):
                assert not [w for w in sentence.words if position in (w.start, w.end)]

    cues = list(make_cues(sentences, layout=layout))

    check_words(marked, cues, layout)
    check_times(cues, layout)
    if marked.is_complete:
        assert {cue.start_ms for cue in cues} <= {time for each in marked.sentences for time in each.times}


@each_seed
def test_other_programs_read_the_same_cues(seed: int) -> None:
    cues = list(make_cues(sentences_of(marked_text(seed)), layout=layout_of(seed)))
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    texts = ["\n".join(cue.lines) for cue in cues]

    vtt = "".join(write_webvtt(cues))
    srt = "".join(write_srt(cues))

    for written, form in ((vtt, "vtt"), (srt, "srt")):
        read = pysubs2.SSAFile.from_string(written, format_=form, keep_html_tags=True)
        assert [(event.start, event.end) for event in read] == times
        found = [event.text.replace("\\N", "\n") for event in read]
        assert [plain(text, is_vtt=form == "vtt") for text in found] == texts
    captions = webvtt.from_buffer(io.StringIO(vtt)).captions
    assert [(milliseconds(each.start), milliseconds(each.end)) for each in captions] == times
    assert [plain(each.raw_text, is_vtt=True) for each in captions] == texts


def plain(text: str, *, is_vtt: bool) -> str:
    text = text.replace("\u200e", "").replace("\u200f", "")
    return unescape(text) if is_vtt else text


def milliseconds(timestamp: str) -> int:
    hours, minutes, seconds = timestamp.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


@each_seed
def test_a_transcript_has_each_word_with_its_time_and_place(seed: int) -> None:
    marked = marked_text(seed)
    written = json.loads("".join(write_transcript(sentences_of(marked))))
    assert written["version"] == "1.0.0"
    assert len(written["segments"]) == len(marked.sentences)
    for segment, expected in zip(written["segments"], marked.sentences, strict=True):
        assert "".join(segment["body"].split()) == expected.text
        assert [word["body"] for word in segment["words"]] == expected.words
        assert [segment["body"][word["start"] : word["end"]] for word in segment["words"]] == expected.words
        assert [round(word["startTime"] * 1000) for word in segment["words"]] == expected.times
        for word, after in pairwise(segment["words"]):
            assert word["startTime"] <= word["endTime"] <= after["startTime"]
        for word in segment["words"]:
            assert segment["startTime"] <= word["startTime"] < word["endTime"] <= segment["endTime"]
    for before, after in pairwise(written["segments"]):
        assert before["startTime"] < before["endTime"] <= after["startTime"]
