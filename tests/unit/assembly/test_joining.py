"""Tests of writing the joined file: new pieces, ranges of the previous file, repeated pieces and pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.assembly.joining import FileJoiner
from airflow_polly_provider.assembly.previous import PreviousFile
from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.exceptions import PollyOutputObjectError
from tests.unit.assembly.documents import BUCKET, KEY, document, piece_id, planned
from tests.unit.assembly.fake_s3 import FakeS3
from tests.unit.audio.examples import EXAMPLES
from tests.unit.audio.mp3_parts import frames, id3v2

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest, PieceRecord
    from airflow_polly_provider.output.multipart import StoredObject

MIB = 1024 * 1024
RATE = 24000
HEADERS = {"mp3": b"ID3 header", "pcm": b""}
MADE_AS = {"Bucket": BUCKET, "Key": KEY}


def speech(output_format: str, number: int) -> bytes:
    """Return the audio of a piece, which differs from that of each other piece."""
    if output_format == "mp3":
        return id3v2(bytes(20)) + frames(RATE, 2 + number)
    return bytes([number + 1, 0]) * (500 + number)


def key_of(number: int) -> str:
    return f"working/{number}.audio"


def uris(numbers: list[int]) -> dict[str, str]:
    return {piece_id(number): f"s3://{BUCKET}/{key_of(number)}" for number in numbers}


def file_joiner(
    manifest: DocumentManifest, s3: Any, numbers: list[int], previous: StoredObject | None = None
) -> FileJoiner:
    return FileJoiner(manifest, s3, uris(numbers), previous)


def write(
    s3: FakeS3, manifest: DocumentManifest, numbers: list[int], previous: StoredObject | None = None
) -> bytes:
    """Write the file of a manifest, whose new pieces have these numbers, and return its content."""
    file_joiner(manifest, s3, numbers, previous).write(
        MADE_AS,
        header_of=lambda size: HEADERS[manifest.output_format],
        before_it_appears=lambda: None,
    )
    return s3.objects[KEY]


def planned_document(output_format: str, parts: list[tuple[int, float]], **fields: Any) -> DocumentManifest:
    pieces = [planned(number, pause_seconds=pause) for number, pause in parts]
    return document(pieces, output_format=output_format, sample_rate=RATE, **fields)


def expected(output_format: str, parts: list[tuple[int, float]]) -> bytes:
    """Return the file of these pieces and pauses, joined without S3."""
    joiner = joiner_of(output_format, str(RATE))
    content = HEADERS[output_format]
    for number, pause in parts:
        joiner.begin_piece("a piece")
        content += joiner.feed(speech(output_format, number))
        joiner.end_piece()
        content += joiner.silence(pause).data
    return content


def assert_places_are_right(manifest: DocumentManifest, content: bytes) -> None:
    """Check that the pieces and the pauses together are the file, and that each piece is its speech."""
    at = manifest.header_size
    for number, piece in enumerate(manifest.pieces):
        assert piece.offset is not None
        assert piece.size is not None
        assert at == manifest.header_size + piece.offset, number
        at += piece.size + piece.pause_size
    assert at == len(content) == manifest.size


def fake_s3(output_format: str) -> FakeS3:
    s3 = FakeS3()
    s3.objects = {key_of(number): speech(output_format, number) for number in range(6)}
    return s3


PARTS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.001, 0.1, 0.5])), min_size=1, max_size=8
)
both = pytest.mark.parametrize("output_format", ["mp3", "pcm"])


@both
@settings(max_examples=EXAMPLES)
@given(PARTS)
def test_new_pieces_are_joined_in_order(output_format: str, parts: list[tuple[int, float]]) -> None:
    """The file is the header, the pieces and the pauses, also if texts are repeated."""
    manifest = planned_document(output_format, parts)
    content = write(fake_s3(output_format), manifest, [number for number, _ in parts])
    assert content == expected(output_format, parts)
    assert_places_are_right(manifest, content)


@both
@settings(max_examples=EXAMPLES)
@given(PARTS, PARTS)
def test_reused_pieces_give_the_same_file_as_new_ones(
    output_format: str, before: list[tuple[int, float]], after: list[tuple[int, float]]
) -> None:
    """Whatever changed, the file equals one that is made from nothing, and so do the places of the pieces."""
    s3 = fake_s3(output_format)
    earlier = planned_document(output_format, before)
    write(s3, earlier, [number for number, _ in before])
    later = planned_document(output_format, after, audio_form=earlier.audio_form)
    later.pieces = PreviousFile(earlier).taken_from(later.pieces)
    is_reused = any(piece.previous_offset is not None for piece in later.pieces)
    new = {number for number, _ in after} - {number for number, _ in before}

    content = write(s3, later, [*new], s3.stored(KEY) if is_reused else None)

    assert content == expected(output_format, after)
    assert_places_are_right(later, content)
    fresh = planned_document(output_format, after)
    write(fake_s3(output_format), fresh, [number for number, _ in after])
    for piece, other in zip(later.pieces, fresh.pieces, strict=True):
        piece.previous_offset = None
        assert piece == other


@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=4)
)
def test_large_pieces_are_copied_by_s3(before: list[int], after: list[int]) -> None:
    """Pieces that are larger than S3's smallest part are joined exactly too."""
    content = {number: bytes([number]) * (4 * MIB + 2 * number) for number in range(4)}
    s3 = FakeS3()
    s3.objects = {key_of(number): each for number, each in content.items()}
    earlier = planned_document("pcm", [(number, 0.0) for number in before])
    write(s3, earlier, before)
    later = planned_document("pcm", [(number, 0.0) for number in after])
    later.pieces = PreviousFile(earlier).taken_from(later.pieces)
    new = [*{*after} - {*before}]
    assert write(s3, later, new, s3.stored(KEY)) == b"".join(content[number] for number in after)


def test_unchanged_pieces_are_not_downloaded() -> None:
    """Of a previous file of 40 MiB, the worker downloads only what the first part needs."""
    s3 = FakeS3()
    s3.objects = {key_of(0): bytes(40 * MIB)}
    earlier = planned_document("pcm", [(0, 0.5)])
    write(s3, earlier, [0])
    later = planned_document("pcm", [(0, 0.5)])
    later.pieces = PreviousFile(earlier).taken_from(later.pieces)
    write(s3, later, [], s3.stored(KEY))
    assert s3.copied > 34 * MIB


@pytest.mark.parametrize(("samples", "padding"), [(3, b"\x00"), (4, b"")])
def test_wav_file_has_an_even_size(samples: int, padding: bytes) -> None:
    s3 = FakeS3()
    s3.objects = {key_of(0): samples * b"a"}
    manifest = document([planned(0)], output_format="mulaw", container="wav", sample_rate=8000)
    sizes: list[int] = []

    def header_of(size: int) -> bytes:
        sizes.append(size)
        return b"RIFF"

    file_joiner(manifest, s3, [0]).write(MADE_AS, header_of=header_of, before_it_appears=lambda: None)
    assert s3.objects[KEY] == b"RIFF" + samples * b"a" + padding
    assert (sizes, manifest.size) == ([samples], len(s3.objects[KEY]))


def test_manifest_is_complete_before_the_file_appears() -> None:
    """An earlier try that ends here can be recognized by the next one."""
    s3 = fake_s3("mp3")
    manifest = planned_document("mp3", [(1, 0.5), (2, 0.0)])
    seen: list[tuple[bool, Any]] = []

    def note() -> None:
        seen.append((KEY in s3.objects, [piece.offset for piece in manifest.pieces]))
        assert manifest.audio_form is not None
        assert manifest.size is not None

    file_joiner(manifest, s3, [1, 2]).write(MADE_AS, header_of=lambda size: b"ID3", before_it_appears=note)
    assert seen == [(False, [piece.offset for piece in manifest.pieces])]


class TestErrors:
    """Each error leaves no file and no parts."""

    def joined(self, s3: FakeS3, pieces: list[PieceRecord], previous: StoredObject | None = None) -> None:
        manifest = document(pieces, sample_rate=RATE, audio_form=None)
        try:
            write(s3, manifest, [1, 2], previous)
        finally:
            assert s3.aborted
            assert KEY not in s3.objects

    def test_piece_that_is_gone_is_named(self) -> None:
        s3 = fake_s3("mp3")
        del s3.objects[key_of(2)]
        with pytest.raises(PollyOutputObjectError, match=f"is gone from s3://{BUCKET}/working/2.audio"):
            self.joined(s3, [planned(1), planned(2)])

    @pytest.mark.parametrize("content", [b"", b"<html>", frames(RATE, 3)[:-1]])
    def test_piece_that_is_damaged_is_named(self, content: bytes) -> None:
        s3 = fake_s3("mp3")
        s3.objects[key_of(2)] = content
        with pytest.raises(PollyOutputObjectError, match=r"piece 2 of 2, s3://my-bucket/working/2\.audio"):
            self.joined(s3, [planned(1), planned(2)])

    def test_piece_with_another_sample_rate_is_named(self) -> None:
        s3 = fake_s3("mp3")
        s3.objects[key_of(2)] = frames(16000, 3)
        with pytest.raises(PollyOutputObjectError, match=r"piece 2 of 2.*Set sample_rate"):
            self.joined(s3, [planned(1), planned(2)])

    def test_reused_piece_without_the_previous_file_is_an_error(self) -> None:
        with pytest.raises(PollyOutputObjectError, match="previous file"):
            self.joined(fake_s3("mp3"), [planned(1, previous_offset=0, size=100)])
