"""Reads a dialogue: a list of turns, each with its voice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_polly_provider.document.characters import clean_text, has_speech
from airflow_polly_provider.document.model import Document, DocumentChapter
from airflow_polly_provider.document.ssml_chapter import ssml_problem
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text.markup import Ssml

MAX_PAUSE_SECONDS = 60
"""Maximum pause after a turn, in seconds."""

MAX_LISTED = 50
"""Maximum number of turns that an error lists."""

_KEYS = ("voice_id", "text", "pause", "text_type")


def read_turns(turns: object) -> Document:
    """Return a dialogue as a document, with one chapter for each turn.

    :param turns: a list of mappings. Each has ``voice_id`` and ``text``, and may have ``pause`` (silence
        after the turn, in seconds, from 0 to :data:`MAX_PAUSE_SECONDS`) and ``text_type`` (``text`` or
        ``ssml``; by default ``ssml`` for the result of an SSML function, otherwise ``text``)
    :raises PollyInvalidRequestError: there is no turn, or a turn is invalid; the error lists the first fifty
        invalid turns by position, counted from 0, without their texts
    """
    if isinstance(turns, str | bytes | Mapping) or not isinstance(turns, Iterable):
        raise PollyInvalidRequestError(
            f"turns must be a list of mappings with voice_id and text, not {type(turns).__name__}."
        )
    chapters: list[DocumentChapter] = []
    invalid: list[str] = []
    count = 0
    for at, turn in enumerate(turns):
        count += 1
        if problems := _problems(turn):
            invalid.append(f"turn {at}: {' '.join(problems)}")
        elif not invalid:
            chapters.append(_chapter(turn))
    if not count:
        raise PollyInvalidRequestError("turns is empty. Give at least one turn with voice_id and text.")
    if invalid:
        listed = invalid[:MAX_LISTED]
        if more := len(invalid) - len(listed):
            listed.append(f"and {more:,} more")
        raise PollyInvalidRequestError(
            f"Invalid turns: {len(invalid):,} of {count:,}. Nothing was sent. Correct these turns (positions "
            "are counted from 0):\n" + "\n".join(listed)
        )
    return Document(None, None, None, tuple(chapters))


def _problems(turn: object) -> list[str]:
    if not isinstance(turn, Mapping):
        return [f"It must be a mapping with voice_id and text, not {type(turn).__name__}."]
    problems = []
    # A wrong key may be part of the text, so only its beginning is shown.
    if unknown := [f"{key!r:.30}" for key in turn if key not in _KEYS]:
        problems.append(f"Unknown keys: {', '.join(unknown[:5])}. Use {', '.join(_KEYS)}.")
    voice = turn.get("voice_id")
    if not isinstance(voice, str) or not voice.strip():
        problems.append("voice_id must be a non-empty string.")
    problems += _text_problems(turn)
    pause = turn.get("pause")
    is_number = isinstance(pause, int | float) and not isinstance(pause, bool)
    if pause is not None and not (is_number and 0 <= pause <= MAX_PAUSE_SECONDS):
        problems.append(
            f"pause must be a number of seconds from 0 to {MAX_PAUSE_SECONDS}, not {pause!r:.30}."
        )
    return problems


def _text_problems(turn: Mapping[Any, Any]) -> list[str]:
    text, text_type = turn.get("text"), turn.get("text_type")
    problems = []
    if text_type not in (None, "text", "ssml"):
        problems.append(f"text_type must be 'text' or 'ssml', not {text_type!r:.30}.")
    elif text_type == "text" and isinstance(text, Ssml):
        problems.append("text is SSML, but text_type is 'text'. Remove text_type.")
    if not isinstance(text, str | Ssml):
        problems.append(f"text must be a string, not {type(text).__name__}.")
    elif _text_type(turn) == "ssml":
        if problem := ssml_problem(str(text)):
            problems.append(problem)
    elif not has_speech(clean_text(str(text))):
        problems.append("text has nothing to speak.")
    return problems


def _text_type(turn: Mapping[Any, Any]) -> Any:
    return turn.get("text_type") or ("ssml" if isinstance(turn.get("text"), Ssml) else "text")


def _chapter(turn: Mapping[Any, Any]) -> DocumentChapter:
    text_type = _text_type(turn)
    text = str(turn["text"])
    return DocumentChapter(
        title=None,
        level=1,
        text=text if text_type == "ssml" else clean_text(text),
        text_type=text_type,
        voice_id=turn["voice_id"],
        pause_seconds=turn.get("pause"),
    )
