"""Writes the joined file of a document to S3."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.audio.wav import WAV
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.exceptions import PollyOutputObjectError
from airflow_polly_provider.output.multipart import StoredObject, ranges_between
from airflow_polly_provider.output.object_writer import PART_BYTES, written_object
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest, PieceRecord
    from airflow_polly_provider.output.object_writer import ObjectWriter
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)


class FileJoiner:
    """Writes the joined file, and notes the place of each piece in its record.

    :param manifest: the document
    :param s3: the access to S3
    :param output_uris: the ``OutputUri`` of each new piece, by the piece's id
    :param previous: the previous file; None if no piece is taken from it
    """

    def __init__(
        self,
        manifest: DocumentManifest,
        s3: S3Access,
        output_uris: Mapping[str, str],
        previous: StoredObject | None,
    ) -> None:
        self._manifest = manifest
        self._s3 = s3
        self._output_uris = output_uris
        self._previous = previous
        self._joiner = joiner_of(
            manifest.output_format,
            None if manifest.sample_rate is None else str(manifest.sample_rate),
            form=None if previous is None else manifest.audio_form,
        )

    def write(
        self,
        made_as: Mapping[str, Any],
        *,
        header_of: Callable[[int], bytes],
        before_it_appears: Callable[[], None],
    ) -> None:
        """Write the file, completely or not at all.

        :param made_as: the parameters of CreateMultipartUpload: bucket, key, metadata and content type
        :param header_of: returns the file's header; called with the size of everything after it when the
            places of all pieces are known
        :param before_it_appears: called when the manifest is complete, before the file appears
        """
        manifest = self._manifest
        with written_object(self._s3.client, made_as, largest_copy_bytes=COPY_PART_BYTES) as writer:
            self._write_pieces(writer)
            self._validate_size(writer)
            manifest.sample_rate, manifest.audio_form = self._joiner.sample_rate, self._joiner.form
            writer.header = header_of(writer.size)
            manifest.header_size = len(writer.header)
            if manifest.container == WAV:
                # RIFF requires an even size.
                writer.write(bytes(writer.size % 2))
            manifest.size = manifest.header_size + writer.size
            before_it_appears()

    def _write_pieces(self, writer: ObjectWriter) -> None:
        pieces = self._manifest.pieces
        position = 0
        while position < len(pieces):
            if pieces[position].previous_offset is None:
                self._write_new(writer, position)
                position += 1
            else:
                position += self._write_copies(writer, position)

    def _validate_size(self, writer: ObjectWriter) -> None:
        """Check that the places in the manifest agree with what was written."""
        last = self._manifest.pieces[-1]
        end = (last.offset or 0) + (last.size or 0) + last.pause_size
        if end != writer.size:
            raise PollyOutputObjectError(
                f"The joined file has {writer.size:,} bytes instead of {end:,}. This is a defect of this "
                "package: please report it. The pieces are kept."
            )

    def _write_new(self, writer: ObjectWriter, position: int) -> None:
        piece = self._manifest.pieces[position]
        location = parse_output_uri(self._output_uris[piece.id])
        head = self._s3.head(location)
        if head is None:
            raise PollyOutputObjectError(
                f"A piece of the document is gone from {location.uri}. Find out what removed or moved it. "
                "The next try starts and pays for a new synthesis task for this piece."
            )
        stored = StoredObject(location, head["ContentLength"], head["ETag"])
        joiner = self._joiner
        piece.offset = writer.size
        try:
            joiner.begin_piece(f"piece {position + 1} of {len(self._manifest.pieces)}, {location.uri},")
            # An empty object has no range that could be read.
            for at, until in ranges_between(0, stored.size, PART_BYTES) if stored.size else ():
                writer.write(joiner.feed(stored.read(self._s3.client, at, until)))
            piece.size, piece.samples = joiner.end_piece()
        except ValueError as error:
            raise PollyOutputObjectError(f"The pieces cannot be joined: {error}.") from error
        self._write_pause(writer, piece)

    def _write_pause(self, writer: ObjectWriter, piece: PieceRecord) -> None:
        silence = self._joiner.silence(piece.pause_seconds)
        writer.write(silence.data)
        piece.pause_size, piece.pause_samples = len(silence.data), silence.samples

    def _write_copies(self, writer: ObjectWriter, first: int) -> int:
        """Append the pieces that follow each other in the previous file too; return their number."""
        pieces = self._manifest.pieces
        start = end = pieces[first].previous_offset or 0
        count = 0
        for piece in pieces[first:]:
            if piece.previous_offset != end:
                break
            piece.offset = writer.size + end - start
            end += (piece.size or 0) + piece.pause_size
            count += 1
            if piece.pause_seconds and not piece.pause_size:
                break
        if self._previous is None:
            raise PollyOutputObjectError("The previous file is needed, but it was not opened.")
        writer.write_copy(self._previous, start, end)
        last = pieces[first + count - 1]
        if last.pause_seconds and not last.pause_size:
            self._write_pause(writer, last)
        return count
