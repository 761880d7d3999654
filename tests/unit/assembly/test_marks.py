"""Tests of the file of speech marks: new marks, marks of the previous file, and errors."""

from __future__ import annotations

import json
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.assembly.manifest import MarksRecord
from airflow_polly_provider.assembly.marks import mark_places, write_marks
from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.assembly.previous import PreviousFile
from airflow_polly_provider.exceptions import PollyOutputObjectError
from tests.unit.assembly.documents import BUCKET, KEY, RUN, document, joined, planned
from tests.unit.assembly.fake_s3 import FakeS3
from tests.unit.audio.examples import EXAMPLES

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest, PieceRecord

PLACES = document_places(BUCKET, KEY, manifest_key=None, prefix=None, run_id=RUN)
LATER = "fedcba9876543210fedcba9876543210"


def marks_id(number: int) -> str:
    return sha256(f"marks of {number}".encode()).hexdigest()


def text_of(number: int) -> str:
    return " ".join(["Wörter"] * (number + 1))


def marks_of(number: int) -> list[dict[str, Any]]:
    """Return the marks of a piece as Polly writes them: times and offsets begin at 0."""
    text = text_of(number).encode()
    first = {"time": 0, "type": "sentence", "start": 0, "end": len(text), "value": text.decode()}
    words = [
        {"time": 7 + 300 * at, "type": "word", "start": 8 * at, "end": 8 * at + 7, "value": "Wörter"}
        for at in range(number + 1)
    ]
    return [first, *words]


def key_of(number: int) -> str:
    return f"working/{number}.marks"


def fake_s3() -> FakeS3:
    s3 = FakeS3()
    for number in range(6):
        s3.objects[key_of(number)] = "".join(f"{json.dumps(mark)}\n" for mark in marks_of(number)).encode()
    return s3


def piece(number: int) -> PieceRecord:
    marks = MarksRecord(marks_id(number), len(text_of(number).encode()))
    return planned(number, size=333 * (number + 1), pause_seconds=0.5, marks=marks)


def written(
    s3: FakeS3, manifest: DocumentManifest, numbers: list[int], previous: Any = None
) -> list[dict[str, Any]]:
    """Write the marks of a document, and return them."""
    places = {marks_id(number): f"s3://{BUCKET}/{key_of(number)}" for number in numbers}
    write_marks(SimpleNamespace(s3=s3, places=PLACES), manifest, places, previous)  # type: ignore[arg-type]
    content = s3.objects[PLACES.marks(manifest.layout_id).key]
    return [json.loads(line) for line in content.splitlines()]


def expected(manifest: DocumentManifest, numbers: list[int]) -> list[dict[str, Any]]:
    """Return the marks of a document, whose sample rate is 1000 Hz."""
    found, time, at = [], 0, 0
    for number, record in zip(numbers, manifest.pieces, strict=True):
        for mark in marks_of(number):
            moved = {"time": mark["time"] + time, "start": mark["start"] + at, "end": mark["end"] + at}
            found.append({**mark, **moved})
        time += record.total_samples
        at += len(text_of(number).encode())
    return found


NUMBERS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@settings(max_examples=EXAMPLES)
@given(NUMBERS)
def test_new_marks_are_moved_to_their_pieces(numbers: list[int]) -> None:
    manifest = document(joined(*map(piece, numbers)))
    assert written(fake_s3(), manifest, numbers) == expected(manifest, numbers)


@settings(max_examples=EXAMPLES)
@given(NUMBERS, NUMBERS)
def test_marks_of_the_previous_file_are_moved(before: list[int], after: list[int]) -> None:
    """Whatever changed, the marks equal those of a document that is made from nothing."""
    s3 = fake_s3()
    earlier = document(joined(*map(piece, before)))
    written(s3, earlier, before)
    pieces = PreviousFile(earlier).taken_from(map(piece, after))
    later = document(joined(*pieces), layout_id=LATER)
    taken = {place.number for place in mark_places(later) if place.marks.previous_offset is not None}
    assert taken == {at for at, number in enumerate(after, start=1) if number in before}
    new = [*{*after} - {*before}]
    previous = s3.stored(PLACES.marks(earlier.layout_id).key)

    assert written(s3, later, new, previous) == expected(later, after)

    content = s3.objects[PLACES.marks(LATER).key]
    for number, place in zip(after, mark_places(later), strict=True):
        start = place.marks.offset or 0
        lines = content[start : start + (place.marks.size or 0)].splitlines()
        assert [json.loads(line)["type"] for line in lines] == ["sentence", *["word"] * (number + 1)]


@pytest.mark.parametrize("content", [b"<html>", b'{"time":1,"type":"word"', b"\xff\n"])
def test_damaged_marks_are_named(content: bytes) -> None:
    s3 = fake_s3()
    s3.objects[key_of(1)] = content
    manifest = document(joined(piece(0), piece(1)))
    with pytest.raises(
        PollyOutputObjectError, match=r"marks of piece 2 of 2, s3://my-bucket/working/1\.marks"
    ):
        written(s3, manifest, [0, 1])
    assert s3.aborted


def test_marks_after_the_end_of_the_audio_get_its_time() -> None:
    """Audio and marks are two synthesis tasks. A mark of the next piece must not be before this one."""
    manifest = document(joined(piece(3), piece(0)))
    manifest.pieces[0].samples = 500
    marks = written(fake_s3(), manifest, [3, 0])
    assert [mark["time"] for mark in marks] == [0, 7, 307, 500, 500, 502, 509]


def test_missing_marks_are_named() -> None:
    s3 = fake_s3()
    del s3.objects[key_of(1)]
    with pytest.raises(PollyOutputObjectError, match=r"are gone from s3://my-bucket/working/1\.marks"):
        written(s3, document(joined(piece(0), piece(1))), [0, 1])


def test_piece_without_marks_adds_nothing() -> None:
    """Polly writes an empty object for a text without words."""
    s3 = fake_s3()
    s3.objects[key_of(0)] = b""
    manifest = document(joined(piece(0), piece(1)))
    marks = written(s3, manifest, [0, 1])
    assert [mark["time"] for mark in marks] == [335, 342, 642]
