"""Plans the pieces of a document: where it is cut, and the request for each piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.manifest import ChapterRecord, MarksRecord, PieceRecord
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.start.token import speech_digest
from airflow_polly_provider.text.limits import billed_characters
from airflow_polly_provider.text.splitting import split_text
from airflow_polly_provider.text.ssml_splitting import split_ssml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_polly_provider.text.pieces import KnownPiece

SSML = "ssml"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that one voice speaks.

    :param text: the text, or the SSML document
    :param text_type: ``text`` or ``ssml``
    :param voice_id: the voice; None for the operator's voice
    :param pause_seconds: the silence after the passage; None for the pause between chapters
    """

    text: str
    text_type: str = "text"
    voice_id: str | None = None
    pause_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the document, or one of its sections.

    :param title: the title; None if there is none
    :param level: 1 for a chapter, 2 for a section of a chapter, and so on
    :param passages: what is spoken, in order; at least one
    """

    title: str | None
    level: int
    passages: tuple[Passage, ...]


@dataclass
class PlannedPieces:
    """The pieces of a document.

    :param chapters: the chapters
    :param pieces: the pieces in order
    :param requests: for each id of a piece or of its speech marks, the members of the request that affect
        the result, with the text
    """

    chapters: list[ChapterRecord] = field(default_factory=list)
    pieces: list[PieceRecord] = field(default_factory=list)
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PieceRules:
    """The rules for the pieces of a document.

    :param request_of: returns the members of a passage's request that affect the speech, without the text
    :param lexicons: the contents of the lexicons that the requests name, by name
    :param marks_request_of: returns the same for the request of a passage's speech marks; None if the
        document has no captions
    :param max_characters: the maximum number of billed characters of a piece
    :param piece_pause_seconds: the silence between two pieces of a passage
    :param chapter_pause_seconds: the silence between two chapters
    :param known: the pieces of the previous file. A piece that occurs in the document again is kept as it is
    """

    request_of: Callable[[Passage], Mapping[str, Any]]
    lexicons: Mapping[str, str]
    marks_request_of: Callable[[Passage], Mapping[str, Any]] | None = None
    max_characters: int
    piece_pause_seconds: float
    chapter_pause_seconds: float
    known: Sequence[KnownPiece] = ()


def planned_pieces(sections: Sequence[Section], rules: PieceRules) -> PlannedPieces:
    """Cut a document into pieces.

    :param sections: the chapters of the document in order
    :param rules: the rules for the pieces
    :raises PollyInvalidRequestError: a passage cannot be cut; the error names its chapter or turn
    """
    planned = PlannedPieces()
    for number, section in enumerate(sections, start=1):
        before = len(planned.pieces)
        for position, passage in enumerate(section.passages):
            try:
                _add_passage(planned, passage, rules)
            except PollyInvalidRequestError as error:
                name = _name_of(number, section) if passage.voice_id is None else f"turn {position}"
                raise PollyInvalidRequestError(f"{name}: {error}") from error
        count = len(planned.pieces) - before
        planned.chapters.append(ChapterRecord(section.title, section.level, count))
    if planned.pieces:
        planned.pieces[-1].pause_seconds = 0.0
    return planned


def _add_passage(planned: PlannedPieces, passage: Passage, rules: PieceRules) -> None:
    speech = rules.request_of(passage)
    is_ssml = passage.text_type == SSML

    def digest_of(text: str) -> str:
        return speech_digest({**speech, "Text": text}, rules.lexicons)

    split = split_ssml if is_ssml else split_text
    pieces = split(passage.text, max_characters=rules.max_characters, previous=rules.known, digest=digest_of)
    for piece in pieces:
        piece_id = digest_of(piece.text)
        planned.requests[piece_id] = {**speech, "Text": piece.text}
        record = PieceRecord(
            id=piece_id,
            head=piece.head,
            length=piece.length,
            characters=billed_characters(piece.text, ssml=is_ssml),
            pause_seconds=rules.piece_pause_seconds,
            marks=_marks_of(planned, passage, piece.text, rules),
        )
        planned.pieces.append(record)
    pause = passage.pause_seconds
    planned.pieces[-1].pause_seconds = rules.chapter_pause_seconds if pause is None else pause


def _marks_of(planned: PlannedPieces, passage: Passage, text: str, rules: PieceRules) -> MarksRecord | None:
    """Return the record of a piece's speech marks, and add the request for them."""
    if rules.marks_request_of is None:
        return None
    request = {**rules.marks_request_of(passage), "Text": text}
    marks_id = speech_digest(request, rules.lexicons)
    planned.requests[marks_id] = request
    return MarksRecord(marks_id, len(text.encode()), is_ssml=passage.text_type == SSML)


def _name_of(number: int, section: Section) -> str:
    return f"Chapter {number}" if section.title is None else f"Chapter {number}, {section.title!r:.80}"
