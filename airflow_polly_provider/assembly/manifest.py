"""The state of a document: its chapters, its pieces, and where each piece is in the joined file.

The spoken text is never part of it, except the titles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_polly_provider.batch.manifest import BatchRunId
    from airflow_polly_provider.captions.convert import CaptionFormat

PLANNED = "planned"
"""The phase in which pieces are synthesized."""
JOINED = "joined"
"""The phase in which the place of every piece in the joined file is known."""
PHASES = frozenset({PLANNED, JOINED})


@dataclass(slots=True)
class ChapterRecord:
    """A chapter.

    :param title: the title; None if the chapter has none
    :param level: 1 for a chapter, 2 for a section of a chapter, and so on
    :param piece_count: the number of pieces of this chapter, without those of its sections
    """

    title: str | None
    level: int
    piece_count: int


@dataclass(slots=True)
class MarksRecord:
    """The speech marks of a piece, and their place in the document's file of speech marks.

    :param id: the digest of everything that affects the marks
    :param text_size: the size of the piece's text in bytes of UTF-8, with SSML tags
    :param is_ssml: whether the text is SSML
    :param previous_offset: the position of the first byte in the previous file of speech marks, if they are
        taken from there
    :param previous_ms: the start of the piece in the previous audio file, in milliseconds
    :param previous_text: the position of the piece's text in the previous document, in bytes
    :param offset: the position of the first byte in the file of speech marks
    :param size: the size of the marks there in bytes
    """

    id: str
    text_size: int
    is_ssml: bool = False
    previous_offset: int | None = None
    previous_ms: int | None = None
    previous_text: int | None = None
    offset: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class CaptionsRecord:
    """The captions that belong to a document.

    :param formats: those of ``vtt``, ``srt`` and ``json`` that are written, in this order. It is empty if the
        speech marks exist, but writing the captions failed
    :param max_lines: the maximum number of lines of a cue
    :param max_line_characters: the maximum width of a line; None for the default of its script
    :param max_seconds: the maximum duration of a cue
    :param pause_seconds: the length of a pause that ends a cue
    """

    formats: tuple[CaptionFormat, ...]
    max_lines: int
    max_line_characters: int | None
    max_seconds: float
    pause_seconds: float


@dataclass(slots=True)
class PieceRecord:
    """A piece of the document: the speech of one synthesis task, and the pause after it.

    :param id: the digest of everything that affects the speech (``start.token.speech_digest``). Pieces with
        the same id are synthesized once
    :param head: CRC-32 of the first characters, as ``text.splitting`` needs it
    :param length: the number of characters in the document
    :param characters: the number of billed characters
    :param pause_seconds: the length of the silence after the piece, as it was requested
    :param previous_offset: the position of the first byte in the previous file, if the piece is taken from
        there
    :param offset: the position of the first byte in the joined file, without the file's header
    :param size: the size of the speech in the joined file in bytes
    :param samples: the number of samples of the speech
    :param pause_size: the size of the silence in bytes
    :param pause_samples: the number of samples of the silence
    :param marks: the speech marks of the piece, if the document has captions
    """

    id: str
    head: int
    length: int
    characters: int
    pause_seconds: float = 0.0
    previous_offset: int | None = None
    offset: int | None = None
    size: int | None = None
    samples: int | None = None
    pause_size: int = 0
    pause_samples: int = 0
    marks: MarksRecord | None = None

    @property
    def total_samples(self) -> int:
        """The number of samples of the speech and the silence after it."""
        return (self.samples or 0) + self.pause_samples


@dataclass(slots=True)
class DocumentManifest:
    """The state of a document in one run.

    :param run: the run of the Airflow task that made the file
    :param began: the start time of the DAG run in ISO 8601
    :param run_token: the token of the task instance, which changes when the task is cleared
    :param layout_id: a random id, which the metadata of the joined file contains too
    :param phase: :data:`PLANNED` or :data:`JOINED`
    :param key: the key of the joined file
    :param output_format: Polly's OutputFormat
    :param container: ``wav`` or None
    :param title: the document's title
    :param author: the document's author
    :param language: the document's language, such as ``en-US``
    :param chapters: the chapters in order
    :param pieces: the pieces in order
    :param previous_etag: the ETag of the file that contains the pieces with a ``previous_offset``
    :param previous_layout_id: the layout id of the file whose speech marks are taken or replaced
    :param previous_captions: the formats of the captions of the file that is replaced
    :param captions: the captions; None if the document has none
    :param sample_rate: the sample rate of the joined file in Hz. Before the pieces are joined, the requested
        one, or None for Polly's default
    :param audio_form: what all frames of an mp3 file have in common (``audio.joining``)
    :param header_size: the size of the joined file's header in bytes
    :param output_uri: the https address of the joined file
    :param etag: the ETag of the joined file
    :param size: the size of the joined file in bytes
    :param synthesized_pieces: the number of pieces that the run synthesized
    :param request_characters: the number of characters that were billed in the run
    """

    run: BatchRunId
    began: str
    run_token: str
    layout_id: str
    key: str
    output_format: str
    container: str | None
    title: str | None
    author: str | None
    language: str | None
    chapters: list[ChapterRecord]
    pieces: list[PieceRecord]
    phase: str = PLANNED
    previous_etag: str | None = None
    previous_layout_id: str | None = None
    previous_captions: tuple[CaptionFormat, ...] = ()
    captions: CaptionsRecord | None = None
    sample_rate: int | None = None
    audio_form: str | None = None
    header_size: int = 0
    output_uri: str | None = None
    etag: str | None = None
    size: int | None = None
    synthesized_pieces: int = 0
    request_characters: int = 0

    def has_content_of(self, other: DocumentManifest) -> bool:
        """Return whether a file of this document would be the same as the file of another one.

        :param other: the other document
        """
        mine = (self.output_format, self.container, self.title, self.author, self.language)
        theirs = (other.output_format, other.container, other.title, other.author, other.language)
        return (
            mine == theirs
            and self.captions == other.captions
            and self.chapters == other.chapters
            and [_content_of(piece) for piece in self.pieces]
            == [_content_of(piece) for piece in other.pieces]
        )

    def to_synthesize(self) -> list[PieceRecord]:
        """Return the pieces that are not in the previous file, each of them once."""
        new: dict[str, PieceRecord] = {}
        for piece in self.pieces:
            if piece.previous_offset is None:
                new.setdefault(piece.id, piece)
        return list(new.values())

    def marks_to_synthesize(self) -> list[PieceRecord]:
        """Return the pieces whose speech marks are not in the previous file of marks, each of them once."""
        new: dict[str, PieceRecord] = {}
        for piece in self.pieces:
            if piece.marks is not None and piece.marks.previous_offset is None:
                new.setdefault(piece.marks.id, piece)
        return list(new.values())

    def characters_to_bill(self) -> int:
        """Return the number of characters that Polly bills for what is not taken from earlier files."""
        new = [*self.to_synthesize(), *self.marks_to_synthesize()]
        return sum(piece.characters for piece in new)

    def chapter_pieces(self) -> list[tuple[ChapterRecord, list[PieceRecord]]]:
        """Return each chapter with its pieces."""
        found, first = [], 0
        for chapter in self.chapters:
            found.append((chapter, self.pieces[first : first + chapter.piece_count]))
            first += chapter.piece_count
        return found


def _content_of(piece: PieceRecord) -> tuple[str, float, str | None]:
    return piece.id, piece.pause_seconds, None if piece.marks is None else piece.marks.id
