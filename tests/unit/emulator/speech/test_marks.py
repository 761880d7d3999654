from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.emulator.speech.audio import Event
from airflow_polly_provider.emulator.speech.marks import mark_lines
from airflow_polly_provider.emulator.speech.tone import hum
from airflow_polly_provider.emulator.text.pronunciation import Lexeme, Pronouncer
from airflow_polly_provider.emulator.text.spoken import SpokenText
from airflow_polly_provider.emulator.text.ssml import Ssml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_polly_provider.emulator.text.spoken import Tag


def marks_of(
    text: str,
    events: list[Event],
    spoken: SpokenText,
    tags: Sequence[Tag] = (),
    kinds: Sequence[str] = ("sentence", "word", "ssml"),
    *,
    markup: bool = False,
) -> list[dict[str, Any]]:
    lines = mark_lines(
        events, spoken, text, tags=list(tags), kinds=kinds, end_milliseconds=60_000, markup=markup
    )
    return [json.loads(line) for line in lines]


def tone_marks(text: str, *, ssml: bool = False, lexemes: Sequence[Lexeme] = ()) -> list[dict[str, Any]]:
    """Return the sentence, word and SSML marks of a text rendered by the tone generator."""
    pronouncer = Pronouncer(lexemes)
    if ssml:
        document = Ssml(text, pronouncer=pronouncer)
        return marks_of(text, hum(str(document.plain), 50, lambda _: None), document.plain)
    spoken = SpokenText()
    pronouncer.write(spoken, text, 0)
    return marks_of(text, hum(str(spoken), 50, lambda _: None), spoken)


def test_offsets_count_utf8_bytes_and_not_characters() -> None:
    text = "Café für 日本 😀 ok. Ça va?"
    words = [mark for mark in tone_marks(text) if mark["type"] == "word"]
    assert [mark["value"] for mark in words] == ["Café", "für", "日本", "ok", "Ça", "va"]
    data = text.encode()
    assert [data[mark["start"] : mark["end"]].decode() for mark in words] == [mark["value"] for mark in words]
    sentences = [mark["value"] for mark in tone_marks(text) if mark["type"] == "sentence"]
    assert sentences == ["Café für 日本 😀 ok.", "Ça va?"]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=80))
def test_every_mark_is_a_slice_of_the_text_and_words_do_not_overlap(text: str) -> None:
    data = text.encode()
    end_of_last = 0
    for mark in tone_marks(text):
        assert 0 <= mark["start"] < mark["end"] <= len(data)
        assert data[mark["start"] : mark["end"]].decode() == mark["value"]
        if mark["type"] == "word":
            assert mark["start"] >= end_of_last
            end_of_last = mark["end"]


def test_offsets_in_ssml_include_the_bytes_of_its_tags() -> None:
    text = '<speak>Größe: <sub alias="kilo gram">kg</sub> &amp; <emphasis>ich</emphasis></speak>'
    words = [mark for mark in tone_marks(text, ssml=True) if mark["type"] == "word"]
    assert [mark["value"] for mark in words] == ["Größe", "kg", "ich"]
    data = text.encode()
    assert [data[mark["start"] : mark["end"]].decode() for mark in words] == ["Größe", "kg", "ich"]


def test_a_lexicon_alias_changes_the_spoken_text_but_not_the_word_marks() -> None:
    spoken = SpokenText()
    Pronouncer([Lexeme("W3C", alias="World Wide Web Consortium")]).write(spoken, "The W3C, not W3CX.", 0)
    assert str(spoken) == "The World Wide Web Consortium, not W3CX."
    words = [mark["value"] for mark in tone_marks("The W3C, not W3CX.", lexemes=[Lexeme("W3C", alias="a b")])]
    assert words[1:] == ["The", "W3C", "not", "W3CX"]


def test_ssml_marks_with_the_same_name_each_get_their_own_offset_in_document_order() -> None:
    text = '<speak>a<mark name="x"/>b<mark name="y"/>c<mark name="x"/>d</speak>'
    document = Ssml(text)
    events = [Event("mark", time, 3, name=name) for time, name in ((1, "x"), (2, "y"), (3, "x"))]
    found = marks_of(text, events, document.spoken, tags=document.tags, kinds=["ssml"])
    tag = len('<mark name="x"/>')
    assert [(mark["value"], mark["start"], mark["end"]) for mark in found] == [
        ("x", 8, 8 + tag),
        ("y", 9 + tag, 9 + 2 * tag),
        ("x", 10 + 2 * tag, 10 + 3 * tag),
    ]


def test_the_last_viseme_is_silence() -> None:
    events = [Event("phoneme", 0, 0, name="h"), Event("phoneme", 50, 0, name="ˈə"), Event("phoneme", 90, 0)]
    found = marks_of("hi", events, SpokenText(), kinds=["viseme"])
    assert [(mark["time"], mark["value"]) for mark in found] == [(0, "k"), (50, "@"), (90, "sil")]


def test_an_event_that_covers_two_words_becomes_two_marks_with_an_interpolated_time() -> None:
    text = "Hello from the <b>emu"
    spoken = SpokenText()
    spoken.add(text, 0)
    events = [Event("word", 0, 0, 5), Event("word", 400, 6, 4), Event("word", 800, 19, 2)]
    found = marks_of(text, events, spoken, kinds=["word"], markup=True)
    assert [(mark["value"], mark["time"]) for mark in found] == [
        ("Hello", 0),
        ("from", 400),
        ("the", 600),
        ("emu", 800),
    ]


@pytest.mark.parametrize("text", ["", " ", "…", "!!!"])
def test_a_text_without_words_has_no_word_marks(text: str) -> None:
    assert [mark for mark in tone_marks(text) if mark["type"] == "word"] == []
