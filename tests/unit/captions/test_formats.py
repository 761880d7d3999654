"""The files that are written: WebVTT, SRT and JSON."""

from __future__ import annotations

# ruff: noqa: RUF001  # many scripts
import json
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.captions.convert import (
    CAPTION_CONTENT_TYPES,
    CAPTION_FORMATS,
    captions_from_marks,
)
from airflow_polly_provider.captions.cues import Cue
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.sentences import SpokenSentence, SpokenWord
from airflow_polly_provider.captions.srt import write_srt
from airflow_polly_provider.captions.transcript import write_transcript
from airflow_polly_provider.captions.webvtt import write_webvtt
from tests.unit.captions.test_sentences import AWS_SSML, AWS_TEXT, MARY

if TYPE_CHECKING:
    from collections.abc import Iterator

CUES = [
    Cue(6, 2_000, ("Mary had a little lamb,", "its fleece was white as snow.")),
    Cue(36_000_000, 360_003_004, ("Later.",)),
]
RLM, LRM = "\u200f", "\u200e"


def vtt(*cues: Cue) -> str:
    return "".join(write_webvtt(cues))


def srt(*cues: Cue) -> str:
    return "".join(write_srt(cues))


def test_webvtt_has_a_header_and_hours() -> None:
    assert vtt(*CUES) == (
        "WEBVTT\n\n"
        "00:00:00.006 --> 00:00:02.000\nMary had a little lamb,\nits fleece was white as snow.\n\n"
        "10:00:00.000 --> 100:00:03.004\nLater.\n\n"
    )


def test_srt_has_numbers_and_hours() -> None:
    assert srt(*CUES) == (
        "1\n00:00:00,006 --> 00:00:02,000\nMary had a little lamb,\nits fleece was white as snow.\n\n"
        "2\n10:00:00,000 --> 100:00:03,004\nLater.\n\n"
    )


def test_files_without_cues_are_valid() -> None:
    assert vtt() == "WEBVTT\n\n"
    assert srt() == ""
    assert json.loads("".join(write_transcript([]))) == {"version": "1.0.0", "segments": []}


def test_the_header_of_webvtt_has_the_language() -> None:
    assert "".join(write_webvtt([], language="cmn-Hans-CN")) == "WEBVTT\nLanguage: cmn-Hans-CN\n\n"


@pytest.mark.parametrize("language", ["", "en_US", "en\n\nNOTE", "x", "en-"])
def test_no_language_tag_is_an_error(language: str) -> None:
    with pytest.raises(ValueError, match="language must be a language tag such as 'en-US', not "):
        write_webvtt([], language=language)


def test_webvtt_escapes_what_is_markup_there() -> None:
    assert vtt(Cue(0, 1, ("<b> R&D --> &amp;",))).endswith("\n&lt;b&gt; R&amp;D --&gt; &amp;amp;\n\n")


def test_srt_has_no_escapes() -> None:
    assert srt(Cue(0, 1, ("<b> R&D --> &amp;",))).endswith("\n<b> R&D --> &amp;\n\n")


def test_a_cue_has_no_blank_line_and_no_control_characters() -> None:
    cue = Cue(0, 1, ("a\n\nb\r\u2028c", " \x00\t", "", "\ufeffd\x07\x85e\x1b\ud800"))
    assert srt(cue) == "1\n00:00:00,000 --> 00:00:00,001\na b c\nd e\n\n"
    assert vtt(cue).split("\n", 3)[3] == "a b c\nd e\n\n"


def test_a_cue_without_text_is_not_written() -> None:
    assert srt(Cue(0, 1, ("",)), Cue(1, 2, ("a",))) == "1\n00:00:00,001 --> 00:00:00,002\na\n\n"


@pytest.mark.parametrize("right_to_left", [True, None])
def test_a_line_has_a_mark_if_its_first_letter_has_another_direction(right_to_left: bool | None) -> None:
    lines = ("אמזון השיקה את", "Amazon Polly בישראל,", "123.")
    written = srt(Cue(0, 1, lines, right_to_left)).splitlines()[2:5]
    assert written == [lines[0], RLM + lines[1], RLM + lines[2]]


def test_a_hebrew_word_at_the_start_of_an_english_line_does_not_turn_it() -> None:
    lines = ("The word for peace is", "שלום, as everybody knows.", "3 (4)", "– élan")
    written = srt(Cue(0, 1, lines)).splitlines()[2:6]
    assert written == [lines[0], LRM + lines[1], lines[2], lines[3]]


def test_a_transcript_has_segments_and_words() -> None:
    assert json.loads("".join(write_transcript([MARY], duration_ms=1_050))) == {
        "version": "1.0.0",
        "segments": [
            {
                "startTime": 0.006,
                "endTime": 1.05,
                "body": "Mary had a little lamb.",
                "words": [
                    {"startTime": 0.006, "endTime": 0.373, "body": "Mary", "start": 0, "end": 4},
                    {"startTime": 0.373, "endTime": 0.604, "body": "had", "start": 5, "end": 8},
                    {"startTime": 0.604, "endTime": 0.643, "body": "a", "start": 9, "end": 10},
                    {"startTime": 0.643, "endTime": 0.882, "body": "little", "start": 11, "end": 17},
                    {"startTime": 0.882, "endTime": 1.05, "body": "lamb", "start": 18, "end": 22},
                ],
            }
        ],
    }


def test_a_word_before_a_pause_ends_before_the_next_word() -> None:
    (segment,) = json.loads("".join(captions_from_marks(AWS_SSML, "json")))["segments"]
    ends = {word["body"]: word["endTime"] for word in segment["words"]}
    # The pause is from 0.897 to 1.291.
    assert (ends["Mary"], ends["had"], ends["a"]) == (0.325, 0.897, 1.373)


def test_the_times_of_a_transcript_have_three_decimals() -> None:
    sentence = SpokenSentence(36_000_000, 'Say "é"!', (SpokenWord(36_000_050, 0, 3),))
    written = "".join(write_transcript([sentence], duration_ms=36_000_100))
    assert '"startTime":36000.050,"endTime":36000.100,"body":"Say \\"é\\"!"' in written


def test_a_segment_without_words_lasts_as_long_as_its_text_but_not_into_the_next_one() -> None:
    sentences = [SpokenSentence(0, "a" * 100, ()), SpokenSentence(3_000, "b" * 100, ())]
    first, second = json.loads("".join(write_transcript(sentences)))["segments"]
    assert (first["endTime"], first["words"]) == (3, [])
    assert second["endTime"] == pytest.approx(9.4, abs=0.1)


class TestCaptionsFromMarks:
    def test_makes_each_format(self) -> None:
        assert "".join(captions_from_marks(AWS_TEXT, "vtt", duration_seconds=1.2, language="en-US")) == (
            "WEBVTT\nLanguage: en-US\n\n00:00:00.006 --> 00:00:01.200\nMary had a little lamb.\n\n"
        )
        assert "".join(captions_from_marks(AWS_TEXT, "srt", duration_seconds=1.2)) == (
            "1\n00:00:00,006 --> 00:00:01,200\nMary had a little lamb.\n\n"
        )
        segments = json.loads("".join(captions_from_marks(AWS_SSML, "json", duration_seconds=1.7)))[
            "segments"
        ]
        assert segments[0]["body"] == "Mary had a little lamb"
        assert segments[0]["endTime"] == 1.7

    def test_uses_the_layout_and_the_text_type(self) -> None:
        layout = CueLayout(max_lines=1, max_line_characters=15)
        written = "".join(captions_from_marks(AWS_SSML, "srt", layout=layout))
        assert [block.split("\n")[2] for block in written.split("\n\n")[:-1]] == ["Mary had a", "little lamb"]
        assert "<break" in "".join(captions_from_marks(AWS_SSML, "srt", text_type="text"))

    def test_reads_the_marks_while_it_writes(self) -> None:
        read: list[int] = []

        def chunks() -> Iterator[bytes]:
            for number in range(100):
                read.append(number)
                line = {"time": number * 3_000, "type": "sentence", "start": 0, "end": 4, "value": "Yes."}
                yield json.dumps(line).encode() + b"\n"

        for form in CAPTION_FORMATS:
            read.clear()
            written = captions_from_marks(chunks(), form)
            next(written)
            next(written)
            assert 0 < len(read) < 10

    def test_rejects_another_format_at_once(self) -> None:
        with pytest.raises(ValueError, match="format must be one of 'vtt', 'srt', 'json', not 'ttml'"):
            captions_from_marks(b"", "ttml")

    def test_each_format_has_a_content_type(self) -> None:
        assert tuple(CAPTION_CONTENT_TYPES) == CAPTION_FORMATS
