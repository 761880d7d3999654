from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.assembly.planning import (
    Passage,
    PieceRules,
    Section,
    planned_pieces,
)
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.planning import PlannedPieces

LONG_WORD = 200 * "a"


def plan(*sections: Section, **given: Any) -> PlannedPieces:
    rules: dict[str, Any] = {
        "request_of": lambda passage: {"VoiceId": passage.voice_id or "Amy"},
        "lexicons": {},
        "max_characters": 100,
        "piece_pause_seconds": 0.5,
        "chapter_pause_seconds": 2.0,
    }
    return planned_pieces(sections, PieceRules(**rules | given))


def section(*texts: str, title: str | None = None) -> Section:
    return Section(title, 1, tuple(map(Passage, texts)))


def pauses(planned: PlannedPieces) -> list[float]:
    return [piece.pause_seconds for piece in planned.pieces]


def test_pauses_are_between_pieces_and_chapters_and_not_at_the_end() -> None:
    text = "\n\n".join(f"{word} {60 * 'a'}" for word in ("One", "Two"))
    planned = plan(section(text), section("Three"), section(text))
    assert pauses(planned) == [0.5, 2.0, 2.0, 0.5, 0.0]
    assert [chapter.piece_count for chapter in planned.chapters] == [2, 1, 2]


def test_pause_of_a_turn_replaces_that_between_chapters() -> None:
    turns = (Passage("One", pause_seconds=0), Passage("Two", pause_seconds=7), Passage("Three"), Passage("4"))
    assert pauses(plan(Section(None, 1, turns))) == [0, 7, 2.0, 0.0]


def test_same_text_is_the_same_piece_only_for_the_same_voice() -> None:
    amy, brian = (Passage("Hello", voice_id=voice) for voice in ("Amy", "Brian"))
    planned = plan(Section(None, 1, (amy, brian, amy)))
    first, second, third = (piece.id for piece in planned.pieces)
    assert first == third != second
    assert {request["VoiceId"] for request in planned.requests.values()} == {"Amy", "Brian"}


def test_changed_lexicon_changes_the_pieces() -> None:
    before, after = (plan(section("Hello"), lexicons={"a": content}) for content in ("x", "y"))
    assert before.pieces[0].id != after.pieces[0].id


@pytest.mark.parametrize(
    ("sections", "beginning"),
    [
        ([section("One"), section(LONG_WORD)], "Chapter 2: "),
        ([section("One"), section(LONG_WORD, title="The end")], "Chapter 2, 'The end': "),
        (
            [Section(None, 1, (Passage("One", voice_id="Amy"), Passage(LONG_WORD, voice_id="Amy")))],
            "turn 1: ",
        ),
    ],
)
def test_error_names_the_place_and_the_parameter_of_the_operator(
    sections: list[Section], beginning: str
) -> None:
    with pytest.raises(PollyInvalidRequestError, match=f"^{beginning}") as error:
        plan(*sections)
    assert "raise max_piece_characters" in str(error.value)
    assert "aaa" not in str(error.value)
