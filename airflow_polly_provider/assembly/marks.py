"""The speech marks of a document: one file with the marks of all pieces, from which later runs take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.audio.chapters import milliseconds_of
from airflow_polly_provider.audio.joined_marks import MarkShifter
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.captions.marks import read_marks
from airflow_polly_provider.exceptions import PollyOutputObjectError
from airflow_polly_provider.output.multipart import StoredObject, ranges_between
from airflow_polly_provider.output.object_writer import PART_BYTES, written_object
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest, MarksRecord
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.output.s3_access import S3Access

MARKS_CONTENT_TYPE = "application/x-json-stream"
"""The content type that Polly gives speech marks."""

_BLOCK_BYTES = 8 * 1024 * 1024


class MarkPlace(NamedTuple):
    """The speech marks of a piece, and the place of the piece in its document.

    :param number: the number of the piece, from 1
    :param marks: the marks
    :param time_ms: the start of the piece in the joined file, in milliseconds
    :param end_ms: the end of its speech there
    :param text_bytes: the position of the piece's text in the texts of all pieces, in bytes of UTF-8
    """

    number: int
    marks: MarksRecord
    time_ms: int
    end_ms: int
    text_bytes: int


def mark_places(manifest: DocumentManifest) -> Iterator[MarkPlace]:
    """Yield the speech marks of a document with their places, in order.

    :param manifest: the manifest of a joined file
    """
    samples = text_bytes = 0
    rate = manifest.sample_rate or 1
    for number, piece in enumerate(manifest.pieces, start=1):
        if piece.marks is not None:
            time_ms, end_ms = (milliseconds_of(at, rate) for at in (samples, samples + (piece.samples or 0)))
            yield MarkPlace(number, piece.marks, time_ms, end_ms, text_bytes)
            text_bytes += piece.marks.text_size
        samples += piece.total_samples


def stored_object(s3: S3Access, location: S3Location) -> StoredObject | None:
    """Return an object as it is now; None if there is none.

    :param s3: the access to S3
    :param location: the object's place
    """
    head = s3.head(location)
    return None if head is None else StoredObject(location, head["ContentLength"], head["ETag"])


def write_marks(
    settings: DocumentSettings,
    manifest: DocumentManifest,
    output_uris: Mapping[str, str],
    previous: StoredObject | None,
) -> None:
    """Write the file of speech marks, and note the place of each piece's marks in its record.

    :param settings: the settings of the try
    :param manifest: the document, with the place of each piece in the joined file
    :param output_uris: the ``OutputUri`` of the new marks, by their id
    :param previous: the previous file of marks; None if no marks are taken from it
    :raises PollyOutputObjectError: marks are missing or damaged
    """
    location = settings.places.marks(manifest.layout_id)
    made_as = {"Bucket": location.bucket, "Key": location.key, "ContentType": MARKS_CONTENT_TYPE}
    source = _Marks(settings.s3, output_uris, previous)
    with written_object(settings.s3.client, made_as, largest_copy_bytes=COPY_PART_BYTES) as writer:
        for place in mark_places(manifest):
            place.marks.offset = writer.size
            for data in source.moved(place, len(manifest.pieces)):
                writer.write(data)
            place.marks.size = writer.size - place.marks.offset
    _validate(settings.s3, location)


def content_of(s3: S3Access, stored: StoredObject, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of an object between two positions.

    :param s3: the access to S3
    :param stored: the object
    :param start: the first position
    :param end: the position after the last byte
    """
    if start < end:
        for limits in ranges_between(start, end, PART_BYTES):
            yield stored.read(s3.client, *limits)


def _validate(s3: S3Access, location: S3Location) -> None:
    """Check that captions can be made from the marks, before the audio replaces an existing file."""
    stored = stored_object(s3, location)
    try:
        for _ in read_marks(() if stored is None else content_of(s3, stored, 0, stored.size)):
            pass
    except ValueError as error:
        raise PollyOutputObjectError(
            f"The captions cannot be made: {error}. Run the task without captions: this joins the audio, and "
            "pays nothing."
        ) from error


class _Marks:
    """Reads the marks of pieces.

    :param s3: the access to S3
    :param output_uris: the ``OutputUri`` of the new marks, by their id
    :param previous: the previous file of marks
    """

    def __init__(self, s3: S3Access, output_uris: Mapping[str, str], previous: StoredObject | None) -> None:
        self._s3 = s3
        self._output_uris = output_uris
        self._previous = None if previous is None else _Blocks(s3, previous)

    def moved(self, place: MarkPlace, count: int) -> Iterator[bytes]:
        """Yield the marks of a piece with the times and byte offsets of the joined file."""
        marks = place.marks
        name = f"piece {place.number} of {count}"
        time_ms, text_bytes = place.time_ms, place.text_bytes
        if marks.previous_offset is None:
            location = parse_output_uri(self._output_uris[marks.id])
            name = f"{name}, {location.uri}"
            advice = "Delete these speech marks, so that they are made again."
            content = self._new(location)
        else:
            if self._previous is None:
                raise PollyOutputObjectError(
                    "The previous speech marks are needed, but they were not opened."
                )
            name = f"{name}, in {self._previous.stored.location.uri}"
            advice = (
                "Do not delete this object: run the task without captions, and then again with captions. "
                "This pays only for the speech marks."
            )
            time_ms -= marks.previous_ms or 0
            text_bytes -= marks.previous_text or 0
            content = self._previous.read(marks.previous_offset, marks.previous_offset + (marks.size or 0))
        # The marks belong to another synthesis task than the audio, which may be a little shorter.
        shifter = MarkShifter(name, time_ms=time_ms, text_bytes=text_bytes, latest_ms=place.end_ms)
        try:
            for chunk in content:
                yield shifter.feed(chunk)
            yield shifter.finish()
        except ValueError as error:
            raise PollyOutputObjectError(f"The captions cannot be made: {error}. {advice}") from error

    def _new(self, location: S3Location) -> Iterator[bytes]:
        stored = stored_object(self._s3, location)
        if stored is None:
            raise PollyOutputObjectError(
                f"The speech marks of a piece are gone from {location.uri}. Find out what removed or moved "
                "them. The next try starts and pays for a new synthesis task for these marks."
            )
        yield from content_of(self._s3, stored, 0, stored.size)


class _Blocks:
    """Reads ranges of an object in blocks, because most ranges are small and follow each other.

    :param s3: the access to S3
    :param stored: the object
    """

    def __init__(self, s3: S3Access, stored: StoredObject) -> None:
        self._s3 = s3
        self.stored = stored
        self._start = 0
        self._block = b""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes between two positions."""
        while start < end:
            if not self._start <= start < self._start + len(self._block):
                self._start = start
                until = min(start + _BLOCK_BYTES, self.stored.size)
                self._block = self.stored.read(self._s3.client, start, until)
            data = self._block[start - self._start : end - self._start]
            start += len(data)
            yield data
