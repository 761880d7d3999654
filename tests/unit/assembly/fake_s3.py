"""A bucket in memory."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.output.multipart import MIN_PART_BYTES, StoredObject
from tests.unit.assembly.documents import BUCKET


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
    """Objects in memory, and one multipart upload that applies S3's rules for parts."""

    meta = SimpleNamespace(config=SimpleNamespace(request_checksum_calculation="when_required"))

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.aborted = False
        self.copied = 0

    @property
    def client(self) -> FakeS3:
        """The client, as S3Access has it."""
        return self

    def head(self, location: S3Location) -> dict[str, Any] | None:
        """Return the response to HeadObject."""
        content = self.objects.get(location.key)
        if content is None:
            return None
        return {"ContentLength": len(content), "ETag": hashlib.sha256(content).hexdigest()}

    def stored(self, key: str) -> StoredObject:
        """Return an object as the code under test refers to it."""
        head = self.head(S3Location(BUCKET, key))
        assert head is not None
        return StoredObject(S3Location(BUCKET, key), head["ContentLength"], head["ETag"])

    def _range(self, key: str, etag: str, limits: str) -> bytes:
        if etag != self.stored(key).etag:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        start, end = (int(limit) for limit in limits.removeprefix("bytes=").split("-"))
        assert start <= end < len(self.objects[key])
        return self.objects[key][start : end + 1]

    def get_object(self, *, Key: str, IfMatch: str, Range: str, **_: Any) -> dict[str, Body]:  # noqa: N803
        """Return a range."""
        return {"Body": Body(self._range(Key, IfMatch, Range))}

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        """Start the upload."""
        self.parts = {}
        return {"UploadId": "1"}

    def upload_part(self, *, PartNumber: int, Body: bytes, **_: Any) -> dict[str, str]:  # noqa: N803
        """Store a part."""
        self.parts[PartNumber] = bytes(Body)
        return {"ETag": f"part {PartNumber}"}

    def upload_part_copy(
        self,
        *,
        PartNumber: int,  # noqa: N803
        CopySource: dict[str, str],  # noqa: N803
        CopySourceIfMatch: str,  # noqa: N803
        CopySourceRange: str,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        """Store a range of an object as a part."""
        content = self._range(CopySource["Key"], CopySourceIfMatch, CopySourceRange)
        self.copied += len(content)
        return {"CopyPartResult": self.upload_part(PartNumber=PartNumber, Body=content)}

    def complete_multipart_upload(self, *, Key: str, MultipartUpload: dict[str, Any], **_: Any) -> None:  # noqa: N803
        """Put the parts together."""
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        assert numbers == sorted(self.parts)
        assert all(len(self.parts[number]) >= MIN_PART_BYTES for number in numbers[:-1])
        self.objects[Key] = b"".join(self.parts[number] for number in numbers)

    def abort_multipart_upload(self, **_: Any) -> None:
        """Give the upload up."""
        self.aborted = True
