"""Writes a large object to S3 in constant memory, with a header that is known only at the end.

S3 accepts the parts of a multipart upload in any order. So the first bytes of the content are kept in memory,
and are uploaded as the first part, after the header, when everything else has been uploaded.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.output.multipart import MIN_PART_BYTES, multipart_upload, ranges_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.output.multipart import MultipartUpload, StoredObject

PART_BYTES = 16 * 1024 * 1024
"""The size of the parts that the worker uploads. S3 allows 10,000 parts, so 160 GB."""


@contextmanager
def written_object(
    client: Any, made_as: Mapping[str, Any], *, largest_copy_bytes: int
) -> Iterator[ObjectWriter]:
    """Write an object, which appears when the ``with`` block ends without an error.

    :param client: boto3's S3 client
    :param made_as: the parameters of CreateMultipartUpload: bucket, key, metadata and content type
    :param largest_copy_bytes: the maximum size of a range that S3 copies with one request, in bytes
    """
    with multipart_upload(client, made_as) as upload:
        writer = ObjectWriter(client, upload, largest_copy_bytes)
        yield writer
        writer.finish()


class ObjectWriter:
    """Receives the content of an object from front to back. Create it with :func:`written_object`.

    It holds at most about 21 MiB of the content.

    :param client: boto3's S3 client
    :param upload: the multipart upload
    :param largest_copy_bytes: the maximum size of a range that S3 copies with one request, in bytes
    """

    def __init__(self, client: Any, upload: MultipartUpload, largest_copy_bytes: int) -> None:
        self._client = client
        self._upload = upload
        self._largest_copy_bytes = largest_copy_bytes
        self._first = bytearray()
        self._first_number = upload.reserve()
        self._buffer = bytearray()
        self.size = 0
        """The size of the content so far in bytes, without the header."""
        self.header = b""
        """The bytes in front of the content; set it before the ``with`` block ends."""

    def write(self, data: bytes) -> None:
        """Append bytes.

        :param data: the bytes
        """
        self.size += len(data)
        if (room := MIN_PART_BYTES - len(self._first)) > 0:
            self._first += data[:room]
            data = data[room:]
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            self._upload_buffer(PART_BYTES)

    def write_copy(self, stored: StoredObject, start: int, end: int) -> None:
        """Append the bytes between two positions of an object. If there are enough, S3 copies them itself.

        :param stored: the object
        :param start: the first position
        :param end: the position after the last byte
        """
        if start == end:
            return
        # These bytes are downloaded: the part that precedes the copy must have S3's minimum size.
        downloaded = MIN_PART_BYTES - len(self._first)
        if self._buffer:
            downloaded += max(0, MIN_PART_BYTES - len(self._buffer))
        if end - start - downloaded < MIN_PART_BYTES:
            downloaded = end - start
        if downloaded:
            for at, until in ranges_between(start, start + downloaded, PART_BYTES):
                self.write(stored.read(self._client, at, until))
        start += downloaded
        if start == end:
            return
        if self._buffer:
            self._upload_buffer(len(self._buffer))
        for at, until in ranges_between(start, end, self._largest_copy_bytes):
            self._upload.add_copy(stored, at, until)
        self.size += end - start

    def finish(self) -> None:
        """Upload what is in memory."""
        if self._buffer:
            self._upload_buffer(len(self._buffer))
        self._upload.add(self.header + self._first, number=self._first_number)

    def _upload_buffer(self, size: int) -> None:
        self._upload.add(bytes(self._buffer[:size]))
        del self._buffer[:size]
