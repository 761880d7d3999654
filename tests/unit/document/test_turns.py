from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.document.turns import read_turns
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text import ssml

SECRET = "a secret text"


def test_each_turn_is_a_chapter_with_its_voice_and_pause() -> None:
    turns = (
        {"voice_id": "Joanna", "text": "Hello\r\n", "pause": 0.5},
        {"voice_id": "Brian", "text": ssml.speak("Hi", ssml.pause())},
        {"voice_id": "Joanna", "text": "<speak>Bye</speak>", "text_type": "ssml", "pause": 0},
    )
    document = read_turns(turn for turn in turns)
    assert [(c.voice_id, c.text, c.text_type, c.pause_seconds) for c in document.chapters] == [
        ("Joanna", "Hello\n", "text", 0.5),
        ("Brian", "<speak>Hi<break/></speak>", "ssml", None),
        ("Joanna", "<speak>Bye</speak>", "ssml", 0),
    ]
    assert {(chapter.title, chapter.level) for chapter in document.chapters} == {(None, 1)}


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (SECRET, "turn 1: It must be a mapping with voice_id and text, not str"),
        ({"text": SECRET}, "voice_id must be a non-empty string"),
        ({"voice_id": "Joanna"}, "text must be a string, not NoneType"),
        ({"voice_id": "Joanna", "text": " "}, "text has nothing to speak"),
        ({"voice_id": "Joanna", "text": SECRET, "voice": 1}, "Unknown keys: 'voice'. Use voice_id, text"),
        (
            {"voice_id": "Joanna", "text": SECRET, "pause": 61},
            "pause must be a number of seconds from 0 to 60, not 61",
        ),
        ({"voice_id": "Joanna", "text": SECRET, "pause": float("nan")}, "not nan"),
        ({"voice_id": "Joanna", "text": SECRET, "pause": True}, "not True"),
        ({"voice_id": "Joanna", "text": SECRET, "pause": "1s"}, "not '1s'"),
        ({"voice_id": "Joanna", "text": SECRET, "text_type": "SSML"}, "text_type must be 'text' or 'ssml'"),
        ({"voice_id": "Joanna", "text": f"<speak>{SECRET}", "text_type": "ssml"}, "not well-formed XML"),
        ({"voice_id": "Joanna", "text": "<speak/>", "text_type": "ssml"}, "The SSML has nothing to speak"),
        (
            {"voice_id": "Joanna", "text": ssml.speak(SECRET), "text_type": "text"},
            "text is SSML, but text_type",
        ),
    ],
)
def test_an_error_names_the_turn_and_never_its_text(turn: Any, message: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match=message) as raised:
        read_turns([{"voice_id": "Joanna", "text": "Hello"}, turn])
    assert SECRET not in str(raised.value)
    assert "Invalid turns: 1 of 2" in str(raised.value)


def test_one_error_lists_the_first_fifty_invalid_turns() -> None:
    with pytest.raises(PollyInvalidRequestError, match="Invalid turns: 60 of 60") as raised:
        read_turns([{"voice_id": "", "text": ""}] * 60)
    lines = str(raised.value).split("\n")
    assert len(lines) == 52
    assert lines[-2].startswith("turn 49: voice_id must be a non-empty string. text has nothing")
    assert lines[-1] == "and 10 more"


@pytest.mark.parametrize("turns", [None, "text", b"", {"voice_id": "Joanna", "text": "Hello"}, 3])
def test_anything_but_a_list_is_refused(turns: object) -> None:
    with pytest.raises(PollyInvalidRequestError, match="turns must be a list of mappings"):
        read_turns(turns)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(PollyInvalidRequestError, match="turns is empty"):
        read_turns([])
