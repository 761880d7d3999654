"""Reads raw samples in S3 and writes a WAV file to another key, without downloading all samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.audio.wav import WAV_CONTENT_TYPE
from airflow_polly_provider.output.multipart import MIN_PART_BYTES, multipart_upload, ranges_between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.output.multipart import StoredObject

PART_BYTES = MIN_PART_BYTES
"""The size of the samples in the first part, which contains the header. The worker uploads this part.

S3 copies the other samples.
"""


def write_wav(
    client: Any,
    samples: StoredObject,
    target: S3Location,
    wav: WavForm,
    *,
    metadata: Mapping[str, str],
    largest_part_bytes: int,
) -> None:
    """Write a WAV file to a key, completely or not at all.

    The worker holds at most 10 MiB of samples, and transfers at most 10 MiB in each direction.

    :param client: boto3's S3 client
    :param samples: the object with the raw samples that Polly wrote. If it was replaced, reading it fails, so
        no file gets a wrong header
    :param target: the file's location
    :param wav: the file's format
    :param metadata: the file's metadata
    :param largest_part_bytes: the maximum size of a part that S3 copies with one request, in bytes
    :raises ValueError: the samples do not fit into a WAV file
    """
    header, padding = wav.header(samples.size), wav.padding(samples.size)
    made_as = {"Bucket": target.bucket, "Key": target.key, "ContentType": WAV_CONTENT_TYPE}
    if samples.size <= 2 * PART_BYTES:
        body = header + samples.read(client) + padding
        client.put_object(**made_as, Metadata=metadata, Body=body)
        return
    # The padding follows the last byte, so the worker uploads these two bytes together.
    copied_to = samples.size - len(padding)
    with multipart_upload(client, {**made_as, "Metadata": metadata}) as upload:
        upload.add(header + samples.read(client, 0, PART_BYTES))
        for start, end in ranges_between(PART_BYTES, copied_to, largest_part_bytes):
            upload.add_copy(samples, start, end)
        if padding:
            upload.add(samples.read(client, copied_to, samples.size) + padding)
