"""Tests of writing an object whose header is known at the end."""

from __future__ import annotations

import contextlib
import hashlib
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.output.multipart import MIN_PART_BYTES, StoredObject
from airflow_polly_provider.output.object_writer import PART_BYTES, written_object

MIB = 1024 * 1024
SOURCE = bytes(hashlib.sha256(b"source").digest()) * (3 * PART_BYTES // 32)
LARGEST_COPY_BYTES = 12 * MIB


class Body:
    """The body of a response."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self) -> bytes:
        """Return the content."""
        return self._content

    def close(self) -> None:
        """Do nothing."""


class FakeS3:
    """A multipart upload in memory that applies S3's rules for parts."""

    meta = SimpleNamespace(config=SimpleNamespace(request_checksum_calculation="when_required"))

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.content: bytes | None = None
        self.downloaded = 0
        self.aborted = False

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        """Start the upload."""
        return {"UploadId": "1"}

    def upload_part(self, *, PartNumber: int, Body: bytes, **_: Any) -> dict[str, str]:  # noqa: N803
        """Store a part."""
        self.parts[PartNumber] = bytes(Body)
        return {"ETag": f"part {PartNumber}"}

    def upload_part_copy(self, *, PartNumber: int, CopySourceRange: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Store a range of the source as a part."""
        start, end = (int(limit) for limit in CopySourceRange.removeprefix("bytes=").split("-"))
        assert end - start < LARGEST_COPY_BYTES
        return {"CopyPartResult": self.upload_part(PartNumber=PartNumber, Body=SOURCE[start : end + 1])}

    def get_object(self, *, Range: str, **_: Any) -> dict[str, Body]:  # noqa: N803
        """Return a range of the source."""
        start, end = (int(limit) for limit in Range.removeprefix("bytes=").split("-"))
        assert start <= end, "S3 ignores such a range, and returns the whole object"
        self.downloaded += end + 1 - start
        return {"Body": Body(SOURCE[start : end + 1])}

    def complete_multipart_upload(self, *, MultipartUpload: dict[str, Any], **_: Any) -> None:  # noqa: N803
        """Put the parts together."""
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == sorted(self.parts)
        assert all(len(self.parts[number]) >= MIN_PART_BYTES for number in numbers[:-1])
        self.content = b"".join(self.parts[number] for number in numbers)

    def abort_multipart_upload(self, **_: Any) -> None:
        """Give the upload up."""
        self.aborted = True


def stored() -> StoredObject:
    """Return the source."""
    return StoredObject(S3Location("bucket", "source"), len(SOURCE), "etag")


WRITES = st.tuples(st.just("write"), st.integers(0, 7 * MIB), st.just(0))
COPIES = st.tuples(st.just("copy"), st.integers(0, len(SOURCE) // 2), st.integers(0, len(SOURCE) // 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(WRITES | COPIES, max_size=6), st.binary(max_size=100))
def test_content_is_what_was_appended(steps: list[tuple[str, int, int]], header: bytes) -> None:
    """Bytes and copies of any size arrive in order, and every part except the last has S3's minimum size."""
    s3, expected = FakeS3(), bytearray()
    made_as = {"Bucket": "bucket", "Key": "key"}
    with written_object(s3, made_as, largest_copy_bytes=LARGEST_COPY_BYTES) as writer:
        for kind, first, size in steps:
            if kind == "write":
                writer.write(SOURCE[:first])
                expected += SOURCE[:first]
            else:
                writer.write_copy(stored(), first, first + size)
                expected += SOURCE[first : first + size]
        assert writer.size == len(expected)
        writer.header = header
    assert s3.content == header + expected


def test_large_copy_is_made_by_s3() -> None:
    """The worker downloads only what the first part needs."""
    s3 = FakeS3()
    made_as = {"Bucket": "bucket", "Key": "key"}
    with written_object(s3, made_as, largest_copy_bytes=LARGEST_COPY_BYTES) as writer:
        writer.write_copy(stored(), 0, len(SOURCE))
    assert s3.content == SOURCE
    assert s3.downloaded == MIN_PART_BYTES


def test_copies_can_follow_each_other() -> None:
    """Nothing is downloaded for the second of two large copies."""
    s3 = FakeS3()
    made_as = {"Bucket": "bucket", "Key": "key"}
    half = len(SOURCE) // 2
    with written_object(s3, made_as, largest_copy_bytes=LARGEST_COPY_BYTES) as writer:
        writer.write_copy(stored(), 0, half)
        writer.write_copy(stored(), half, len(SOURCE))
    assert s3.content == SOURCE
    assert s3.downloaded == MIN_PART_BYTES


def test_nothing_appears_after_an_error() -> None:
    """An error aborts the upload."""
    s3 = FakeS3()
    made_as = {"Bucket": "bucket", "Key": "key"}
    with (
        contextlib.suppress(RuntimeError),
        written_object(s3, made_as, largest_copy_bytes=LARGEST_COPY_BYTES) as writer,
    ):
        writer.write(SOURCE)
        raise RuntimeError
    assert s3.content is None
    assert s3.aborted
