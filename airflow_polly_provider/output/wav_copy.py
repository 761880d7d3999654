"""Reads raw samples in S3 and writes a WAV file to another key, without downloading all samples."""

from __future__ import annotations

import itertools
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.audio.wav import WAV_CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.aws.s3 import S3Location

log = logging.getLogger(__name__)

PART_BYTES = 5 * 1024 * 1024
"""The smallest size that S3 accepts for a part of a multipart upload. Only the last part may be smaller.

The first part contains the header. Therefore the worker uploads it, with samples of this size. S3 copies the
other samples.
"""

# boto3's own transfers use this algorithm too. All parts of an upload need the same kind of checksum, and the
# request that completes the upload must contain the checksums.
_CHECKSUM = "CRC32"


class RawSamples(NamedTuple):
    """The object with the raw samples that Polly wrote.

    :param location: the object's location
    :param size: its size in bytes
    :param etag: its ETag. If the object was replaced, reading it fails, so no file gets a wrong header
    """

    location: S3Location
    size: int
    etag: str


def write_wav(
    client: Any,
    samples: RawSamples,
    target: S3Location,
    wav: WavForm,
    *,
    metadata: Mapping[str, str],
    largest_part_bytes: int,
) -> None:
    """Write a WAV file to a key, completely or not at all.

    The worker holds at most 10 MiB of samples, and transfers at most 10 MiB in each direction.

    :param client: boto3's S3 client
    :param samples: the raw samples
    :param target: the file's location
    :param wav: the file's format
    :param metadata: the file's metadata
    :param largest_part_bytes: the maximum size of a part that S3 copies with one request, in bytes
    :raises ValueError: the samples do not fit into a WAV file
    """
    header, padding = wav.header(samples.size), wav.padding(samples.size)
    made_as = {"Bucket": target.bucket, "Key": target.key, "ContentType": WAV_CONTENT_TYPE}
    if samples.size <= 2 * PART_BYTES:
        body = header + _read(client, samples) + padding
        client.put_object(**made_as, Metadata=metadata, Body=body)
        return
    # The padding follows the last byte, so the worker uploads these two bytes together.
    copied_to = samples.size - len(padding)
    with _multipart_upload(client, {**made_as, "Metadata": metadata}) as upload:
        upload.add(header + _read(client, samples, 0, PART_BYTES))
        for start, end in _ranges(PART_BYTES, copied_to, largest_part_bytes):
            upload.add_copy(samples, start, end)
        if padding:
            upload.add(_read(client, samples, copied_to, samples.size) + padding)


def _read(client: Any, samples: RawSamples, *limits: int) -> bytes:
    """Return the bytes between two positions; without positions, return all bytes."""
    part = {"Range": _range_header(*limits)} if limits else {}
    bucket, key = samples.location
    content: bytes = client.get_object(Bucket=bucket, Key=key, IfMatch=samples.etag, **part)["Body"].read()
    return content


def _range_header(start: int, end: int) -> str:
    return f"bytes={start}-{end - 1}"


def _ranges(start: int, end: int, largest: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of about equal size, so that none is smaller than S3's minimum."""
    number = -(-(end - start) // largest)
    limits = [start + (end - start) * index // number for index in range(number + 1)]
    yield from itertools.pairwise(limits)


@contextmanager
def _multipart_upload(client: Any, made_as: Mapping[str, Any]) -> Iterator[_Upload]:
    """Start a multipart upload, and complete it, or abort it after an error."""
    checked = client.meta.config.request_checksum_calculation == "when_supported"
    checksum = {"ChecksumAlgorithm": _CHECKSUM} if checked else {}
    started = client.create_multipart_upload(**made_as, **checksum)
    named = {"Bucket": made_as["Bucket"], "Key": made_as["Key"], "UploadId": started["UploadId"]}
    upload = _Upload(client, named)
    try:
        yield upload
        client.complete_multipart_upload(**named, MultipartUpload={"Parts": upload.parts})
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
class _Upload:
    """A multipart upload that has been started.

    :param client: boto3's S3 client
    :param named: the bucket, the key and the upload's id
    :param parts: the parts so far, in the form that the request to complete the upload needs
    """

    client: Any
    named: Mapping[str, str]
    parts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, content: bytes) -> None:
        """Upload bytes as the next part."""
        self._list(self.client.upload_part(**self.named, PartNumber=self._next, Body=content))

    def add_copy(self, samples: RawSamples, start: int, end: int) -> None:
        """Let S3 copy the bytes between two positions as the next part."""
        answer = self.client.upload_part_copy(
            **self.named,
            PartNumber=self._next,
            CopySource={"Bucket": samples.location.bucket, "Key": samples.location.key},
            CopySourceIfMatch=samples.etag,
            CopySourceRange=_range_header(start, end),
        )
        self._list(answer["CopyPartResult"])

    @property
    def _next(self) -> int:
        return len(self.parts) + 1

    def _list(self, made: Mapping[str, Any]) -> None:
        reported = {name: made[name] for name in ("ETag", f"Checksum{_CHECKSUM}") if name in made}
        self.parts.append({"PartNumber": self._next, **reported})
