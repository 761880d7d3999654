"""Manifests of documents for tests."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from airflow_polly_provider.assembly.manifest import (
    JOINED,
    PHASES,
    CaptionsRecord,
    ChapterRecord,
    DocumentManifest,
    MarksRecord,
    PieceRecord,
)
from airflow_polly_provider.batch.manifest import BatchRunId
from airflow_polly_provider.captions.convert import CAPTION_FORMATS

RUN = BatchRunId("books", "manual__2026-11-27T00:00:00+00:00", "speak", -1, "")
BEGAN = "2026-11-27T00:00:01.250000+00:00"
RUN_TOKEN = "ylgbwnsqy7cfpc3w"
LAYOUT_ID = "0123456789abcdef0123456789abcdef"
BUCKET = "my-bucket"
KEY = "books/alice.mp3"
OUTPUT_URI = f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/{KEY}"


def piece_id(number: int) -> str:
    """Return the id of a piece: pieces with the same number have the same text."""
    return sha256(str(number).encode()).hexdigest()


def planned(number: int, **fields: Any) -> PieceRecord:
    """Return a piece that is not in any file."""
    given: dict[str, Any] = {"head": 1000 + number, "length": 100, "characters": 90} | fields
    return PieceRecord(id=piece_id(number), **given)


def joined(*pieces: PieceRecord) -> list[PieceRecord]:
    """Return pieces that follow each other in a file: 10 bytes and 4 samples for each second of pause."""
    at = 0
    for piece in pieces:
        piece.offset = at
        piece.size = 1000 if piece.size is None else piece.size
        piece.samples = piece.size if piece.samples is None else piece.samples
        piece.pause_size, piece.pause_samples = int(10 * piece.pause_seconds), int(4 * piece.pause_seconds)
        at += piece.size + piece.pause_size
    return list(pieces)


def document(pieces: list[PieceRecord], **fields: Any) -> DocumentManifest:
    """Return the manifest of a joined mp3 file with one chapter, unless ``fields`` say otherwise."""
    given: dict[str, Any] = {
        "run": RUN,
        "began": BEGAN,
        "run_token": RUN_TOKEN,
        "layout_id": LAYOUT_ID,
        "key": KEY,
        "output_format": "mp3",
        "container": None,
        "title": None,
        "author": None,
        "language": None,
        "chapters": [ChapterRecord(None, 1, len(pieces))],
        "phase": JOINED,
        "sample_rate": 1000,
        "etag": '"e"',
    } | fields
    return DocumentManifest(pieces=pieces, **given)


_TEXTS = st.text(max_size=20)
_COUNTS = st.integers(0, 2**60)
_OPTIONAL_TEXTS, _OPTIONAL_COUNTS = st.none() | _TEXTS, st.none() | _COUNTS
_FORMATS = st.lists(st.sampled_from(CAPTION_FORMATS), unique=True).map(lambda formats: (*formats,))
_CAPTIONS = st.builds(
    CaptionsRecord,
    formats=_FORMATS,
    max_lines=_COUNTS,
    max_line_characters=_OPTIONAL_COUNTS,
    max_seconds=st.floats(0, 60),
    pause_seconds=st.floats(0, 60),
)
_MARKS = st.builds(
    MarksRecord,
    id=st.integers(0, 5).map(piece_id),
    text_size=_COUNTS,
    is_ssml=st.booleans(),
    previous_offset=_OPTIONAL_COUNTS,
    previous_ms=_OPTIONAL_COUNTS,
    previous_text=_OPTIONAL_COUNTS,
    offset=_OPTIONAL_COUNTS,
    size=_OPTIONAL_COUNTS,
)
_PIECES = st.builds(
    PieceRecord,
    id=st.integers(0, 5).map(piece_id),
    head=st.integers(0, 2**32 - 1),
    length=_COUNTS,
    characters=_COUNTS,
    pause_seconds=st.floats(0, 60),
    previous_offset=_OPTIONAL_COUNTS,
    offset=_OPTIONAL_COUNTS,
    size=_OPTIONAL_COUNTS,
    samples=_OPTIONAL_COUNTS,
    pause_size=_COUNTS,
    pause_samples=_COUNTS,
    marks=st.none() | _MARKS,
)


@st.composite
def manifests(draw: st.DrawFn) -> DocumentManifest:
    """Return any manifest whose chapters contain its pieces."""
    parts = draw(st.lists(st.lists(_PIECES, max_size=3), max_size=3))
    return DocumentManifest(
        run=BatchRunId(draw(_TEXTS), draw(_TEXTS), draw(_TEXTS), draw(st.integers(-1, 10)), draw(_TEXTS)),
        began=draw(_TEXTS),
        run_token=draw(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16)),
        layout_id=draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        key=draw(st.text(min_size=1, max_size=20)),
        output_format=draw(st.sampled_from(["mp3", "pcm"])),
        container=draw(st.sampled_from([None, "wav"])),
        title=draw(_OPTIONAL_TEXTS),
        author=draw(_OPTIONAL_TEXTS),
        language=draw(_OPTIONAL_TEXTS),
        chapters=[ChapterRecord(draw(_OPTIONAL_TEXTS), draw(st.integers(1, 6)), len(part)) for part in parts],
        pieces=[piece for part in parts for piece in part],
        phase=draw(st.sampled_from(sorted(PHASES))),
        previous_etag=draw(_OPTIONAL_TEXTS),
        previous_layout_id=draw(st.none() | st.text("0123456789abcdef", min_size=32, max_size=32)),
        previous_captions=draw(_FORMATS),
        captions=draw(st.none() | _CAPTIONS),
        sample_rate=draw(_OPTIONAL_COUNTS),
        audio_form=draw(_OPTIONAL_TEXTS),
        header_size=draw(_COUNTS),
        output_uri=draw(_OPTIONAL_TEXTS),
        etag=draw(_OPTIONAL_TEXTS),
        size=draw(_OPTIONAL_COUNTS),
        synthesized_pieces=draw(_COUNTS),
        request_characters=draw(_COUNTS),
    )
