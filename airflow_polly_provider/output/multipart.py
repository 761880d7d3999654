"""Writes an object to S3 in parts. The parts can be bytes, or ranges of other objects that S3 copies."""

from __future__ import annotations

import itertools
import logging
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.exceptions import PollyIncompleteAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.aws.s3 import S3Location

log = logging.getLogger(__name__)

MIN_PART_BYTES = 5 * 1024 * 1024
"""The smallest size that S3 accepts for a part of a multipart upload. Only the last part may be smaller."""

# boto3's own transfers use this algorithm too. All parts of an upload need the same kind of checksum, and the
# request that completes the upload must contain the checksums.
_CHECKSUM = "CRC32"


class StoredObject(NamedTuple):
    """An object in S3 that is read or copied only if it was not replaced.

    :param location: the object's location
    :param size: its size in bytes
    :param etag: its ETag
    """

    location: S3Location
    size: int
    etag: str

    def read(self, client: Any, *limits: int) -> bytes:
        """Return the bytes between two positions; without positions, return all bytes.

        :param client: boto3's S3 client
        :param limits: the first position, and the position after the last byte
        :raises PollyIncompleteAnswerError: S3 returned another number of bytes
        """
        part = {"Range": _range_header(*limits)} if limits else {}
        bucket, key = self.location
        answer = client.get_object(Bucket=bucket, Key=key, IfMatch=self.etag, **part)
        with closing(answer["Body"]) as body:
            content: bytes = body.read()
        expected = limits[1] - limits[0] if limits else self.size
        if len(content) != expected:
            # S3 ignores an invalid range, and cuts a range off at the end of the object.
            raise PollyIncompleteAnswerError(
                f"S3 returned {len(content):,} bytes of {self.location.uri} instead of {expected:,}."
            )
        return content


def _range_header(start: int, end: int) -> str:
    return f"bytes={start}-{end - 1}"


def ranges_between(start: int, end: int, largest: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of about equal size. If they have at least 5 MiB together, none is below S3's minimum.

    :param start: the first position
    :param end: the position after the last byte
    :param largest: the maximum size of a range in bytes; at least twice S3's minimum
    """
    number = max(1, -(-(end - start) // largest))
    limits = [start + (end - start) * index // number for index in range(number + 1)]
    yield from itertools.pairwise(limits)


@contextmanager
def multipart_upload(client: Any, made_as: Mapping[str, Any]) -> Iterator[MultipartUpload]:
    """Start a multipart upload, and complete it, or abort it after an error.

    :param client: boto3's S3 client
    :param made_as: the parameters of CreateMultipartUpload: bucket, key, metadata and content type
    """
    checked = client.meta.config.request_checksum_calculation == "when_supported"
    checksum = {"ChecksumAlgorithm": _CHECKSUM} if checked else {}
    started = client.create_multipart_upload(**made_as, **checksum)
    named = {"Bucket": made_as["Bucket"], "Key": made_as["Key"], "UploadId": started["UploadId"]}
    upload = MultipartUpload(client, named)
    try:
        yield upload
        client.complete_multipart_upload(**named, MultipartUpload={"Parts": upload.sorted_parts()})
    except BaseException:
        # The parts are removed after any error, including Airflow's signals.
        try:
            client.abort_multipart_upload(**named)
        except (ClientError, BotoCoreError) as error:
            log.warning(
                "The parts of an unfinished upload to s3://%s/%s could not be removed (%s). Allow "
                "s3:AbortMultipartUpload, or let a lifecycle rule of the bucket remove them.",
                made_as["Bucket"],
                made_as["Key"],
                error,
            )
        raise


@dataclass
class MultipartUpload:
    """A multipart upload that has been started.

    :param client: boto3's S3 client
    :param named: the bucket, the key and the upload's id
    :param parts: the parts so far, in the form that the request to complete the upload needs
    """

    client: Any
    named: Mapping[str, str]
    parts: list[dict[str, Any]] = field(default_factory=list)
    _next: int = 1

    def reserve(self) -> int:
        """Return the number of the next part, which is uploaded later."""
        number = self._next
        self._next += 1
        return number

    def add(self, content: bytes, *, number: int | None = None) -> None:
        """Upload bytes as a part.

        :param content: the bytes
        :param number: a number from :meth:`reserve`; None for the next part
        """
        number = self.reserve() if number is None else number
        self._list(number, self.client.upload_part(**self.named, PartNumber=number, Body=content))

    def add_copy(self, stored: StoredObject, start: int, end: int) -> None:
        """Let S3 copy the bytes between two positions of an object as the next part.

        :param stored: the object
        :param start: the first position
        :param end: the position after the last byte
        """
        number = self.reserve()
        answer = self.client.upload_part_copy(
            **self.named,
            PartNumber=number,
            CopySource={"Bucket": stored.location.bucket, "Key": stored.location.key},
            CopySourceIfMatch=stored.etag,
            CopySourceRange=_range_header(start, end),
        )
        self._list(number, answer["CopyPartResult"])

    def sorted_parts(self) -> list[dict[str, Any]]:
        """Return the parts in the order of their numbers."""
        return sorted(self.parts, key=lambda part: int(part["PartNumber"]))

    def _list(self, number: int, made: Mapping[str, Any]) -> None:
        reported = {name: made[name] for name in ("ETag", f"Checksum{_CHECKSUM}") if name in made}
        self.parts.append({"PartNumber": number, **reported})
