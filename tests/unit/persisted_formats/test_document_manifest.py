"""A document's manifests in S3, the keys of its objects, and the ids of its pieces.

Later runs take unchanged pieces from the file that an earlier version made. Never change a value here or in
``golden``; see ``support.py``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from airflow_polly_provider.assembly.manifest import (
    CaptionsRecord,
    ChapterRecord,
    DocumentManifest,
    MarksRecord,
    PieceRecord,
)
from airflow_polly_provider.assembly.manifest_format import FORMAT, VERSION, manifest_content, read_manifest
from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.assembly.planning import Passage, PieceRules, Section, planned_pieces
from airflow_polly_provider.assembly.recording import LAYOUT_METADATA
from airflow_polly_provider.batch.manifest import BatchRunId
from airflow_polly_provider.start.token import TaskRun, request_token
from tests.unit.persisted_formats.support import ADVICE, assert_unchanged, golden

FIRST = "cf703df2504d835cc17fe846f3baf53c2ef2cdaa67571136bee3ffb76fb1fe1f"
SECOND = "bba8cee8d97dca7420c7f040e0808f6226338e2a0fa735bcaf84a31f13b69450"
RUN = BatchRunId("books", "manual__2025-01-02T03:04:05+00:00", "speak", -1, "team-a")
COMMON: dict[str, Any] = {
    "run": RUN,
    "began": "2025-01-02T03:04:05.250000+00:00",
    "run_token": "ylgbwnsqy7cfpc3w",
    "layout_id": "0123456789abcdef0123456789abcdef",
    "key": "books/alice.mp3",
    "output_format": "mp3",
    "container": None,
    "title": "Alice’s Adventures in Wonderland",  # noqa: RUF001 - manifests contain such characters
    "author": "Lewis Carroll",
    "language": "en-GB",
    "chapters": [ChapterRecord("Down the Rabbit-Hole", 1, 2), ChapterRecord(None, 2, 1)],
}
PLANNED = DocumentManifest(
    **COMMON,
    pieces=[
        PieceRecord(FIRST, 1, 700, 690, 0.5),
        PieceRecord(SECOND, 4294967295, 800, 790, 1.0, 2048, size=9000, samples=72000),
        PieceRecord(FIRST, 1, 700, 690),
    ],
    previous_etag='"p"',
    audio_form="fff364c4",
    output_uri="https://s3.eu-west-1.amazonaws.com/my-bucket/books/alice.mp3",
)
JOINED = DocumentManifest(
    **COMMON | {"output_format": "pcm", "container": "wav"},
    pieces=[
        PieceRecord(FIRST, 1, 700, 690, 0.5, None, 0, 8000, 4000, 16000, 8000),
        PieceRecord(SECOND, 4294967295, 800, 790, 1.0, None, 24000, 9000, 4500, 32000, 16000),
        PieceRecord(FIRST, 1, 700, 690, 0.0, None, 65000, 8000, 4000),
    ],
    phase="joined",
    sample_rate=16000,
    header_size=44,
    output_uri="https://s3.eu-west-1.amazonaws.com/my-bucket/books/alice.wav",
    etag='"e"',
    size=73044,
    synthesized_pieces=2,
    request_characters=1480,
)

FIRST_MARKS, SECOND_MARKS = "c1" * 32, "d2" * 32


def with_marks(manifest: DocumentManifest, *marks: MarksRecord, **changes: Any) -> DocumentManifest:
    pieces = [replace(piece, marks=each) for piece, each in zip(manifest.pieces, marks, strict=True)]
    return replace(manifest, pieces=pieces, **changes)


PLANNED_WITH_CAPTIONS = with_marks(
    PLANNED,
    MarksRecord(FIRST_MARKS, 702),
    MarksRecord(SECOND_MARKS, 803, True, 4096, 45040, 702, size=5000),
    MarksRecord(FIRST_MARKS, 702),
    previous_layout_id="fedcba9876543210fedcba9876543210",
    previous_captions=("vtt", "srt"),
    captions=CaptionsRecord(("vtt", "json"), 2, None, 7.0, 0.7),
)
JOINED_WITH_CAPTIONS = with_marks(
    JOINED,
    MarksRecord(FIRST_MARKS, 702, offset=0, size=4096),
    MarksRecord(SECOND_MARKS, 803, offset=4096, size=5000),
    MarksRecord(FIRST_MARKS, 702, offset=9096, size=4100),
    captions=CaptionsRecord(("srt",), 1, 37, 5.5, 1.0),
)


def encoded(case: str) -> bytes:
    return json.dumps(golden("document_manifests")[case]).encode()


class TestManifest:
    def test_is_written_unchanged(self) -> None:
        """The plan of a run, and the manifest next to a joined file."""
        expected = golden("document_manifests")
        assert_unchanged(json.loads(manifest_content(PLANNED)), expected["planned"])
        assert_unchanged(json.loads(manifest_content(JOINED)), expected["joined"])

    def test_of_the_earlier_version_can_be_read(self) -> None:
        assert read_manifest(encoded("planned")) == PLANNED
        assert read_manifest(encoded("joined")) == JOINED

    def test_with_captions_is_unchanged(self) -> None:
        """The manifests of a document with captions, which later runs take speech marks from."""
        expected = golden("document_manifests_with_captions")
        for name, manifest in (("planned", PLANNED_WITH_CAPTIONS), ("joined", JOINED_WITH_CAPTIONS)):
            assert_unchanged(json.loads(manifest_content(manifest)), expected[name])
            assert read_manifest(json.dumps(expected[name]).encode()) == manifest

    def test_with_members_of_a_later_version_can_be_read(self) -> None:
        content = golden("document_manifests")["joined"]
        for each in (content, content["Run"], *content["Chapters"], *content["Pieces"]):
            each["Later"] = {"any": ["thing"]}
        assert read_manifest(json.dumps(content).encode()) == JOINED

    def test_names_its_format(self) -> None:
        assert (FORMAT, VERSION) == ("airflow_polly_provider/document-manifest", 1), ADVICE


def test_metadata_of_a_joined_file_keeps_its_name() -> None:
    """The next try recognizes by it that the file is complete."""
    assert LAYOUT_METADATA == "polly-layout", ADVICE


def test_default_keys_are_unchanged() -> None:
    places = document_places("my-bucket", "books/Zoë 1.mp3", manifest_key=None, prefix=None, run_id=RUN)
    assert places.marks("0123") == ("my-bucket", "books/Zoë 1.mp3.marks/0123.marks"), ADVICE
    assert [*places] == [
        ("my-bucket", "books/Zoë 1.mp3"),
        ("my-bucket", "books/Zoë 1.mp3.manifest.json"),
        ("my-bucket", "books/Zoë 1.mp3.chapters.json"),
        "books/Zo__1.mp3.pieces/",
        ("my-bucket", "books/Zo__1.mp3.pieces/manifest-obqnmzs7rs44jab2.json"),
        ("my-bucket", "books/Zo__1.mp3.pieces/manifest-obqnmzs7rs44jab2.plan.json"),
    ], ADVICE


def test_run_token_is_unchanged() -> None:
    run = TaskRun("books", "manual__2025-01-02T03:04:05+00:00", "speak", -1, 0, "team-a")
    assert request_token(run, "document") == "pkslczuhplu6exdd", ADVICE


def test_id_and_head_of_a_piece_are_unchanged() -> None:
    """A later run recognizes by them that a piece did not change, and does not pay for it again."""
    rules = PieceRules(
        request_of=lambda passage: {"VoiceId": "Amy", "OutputFormat": "mp3", "LexiconNames": ["places"]},
        lexicons={"places": "<lexicon/>"},
        max_characters=100,
        piece_pause_seconds=0.0,
        chapter_pause_seconds=1.0,
    )
    passages = (Passage("Down the Rabbit-Hole"), Passage("<speak>Zoë</speak>", "ssml"))
    pieces = planned_pieces([Section(None, 1, passages)], rules).pieces
    assert [(piece.id, piece.head, piece.length) for piece in pieces] == [
        ("8550ddd01ed744835befb01b206e7f6a2189c4480248dab53cc4e4e320e45273", 3388600116, 20),
        ("797773aa65975602e739deb810b8a3f15d8723bc246f981482da8211f1e06452", 1739342378, 18),
    ], ADVICE
