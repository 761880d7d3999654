"""The captions of a document, made from its file of speech marks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.assembly.chapters import duration_seconds
from airflow_polly_provider.assembly.marks import stored_object
from airflow_polly_provider.captions.convert import CAPTION_CONTENT_TYPES, captions_from_marks
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.webvtt import is_language_tag
from airflow_polly_provider.exceptions import PollyOutputObjectError
from airflow_polly_provider.output.multipart import ranges_between
from airflow_polly_provider.output.object_writer import PART_BYTES, written_object
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.assembly.manifest import CaptionsRecord, DocumentManifest
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.output.multipart import StoredObject
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)


def write_captions(settings: DocumentSettings, manifest: DocumentManifest) -> None:
    """Write the captions of a joined file, in each format that the document has.

    :param settings: the settings of the try
    :param manifest: the manifest of the joined file
    :raises PollyOutputObjectError: the speech marks are gone or damaged
    """
    captions = manifest.captions
    if captions is None:
        return
    location = settings.places.marks(manifest.layout_id)
    stored = stored_object(settings.s3, location)
    if stored is None:
        raise PollyOutputObjectError(
            f"{location.uri} is gone, so the captions of the finished file cannot be made. Find out what "
            "removed it. Run the task without captions, and then again with captions: this pays only for the "
            "speech marks."
        )
    # The language can come from the file of the document, which can contain anything there.
    language = manifest.language if is_language_tag(manifest.language or "") else None
    for name in captions.formats:
        target = settings.places.captions(name)
        made_as = {"Bucket": target.bucket, "Key": target.key, "ContentType": CAPTION_CONTENT_TYPES[name]}
        with written_object(settings.s3.client, made_as, largest_copy_bytes=COPY_PART_BYTES) as writer:
            try:
                for chunk in captions_from_marks(
                    _content(settings.s3, stored),
                    name,
                    duration_seconds=duration_seconds(manifest),
                    language=language,
                    layout=_layout(captions),
                    text_type=captions.text_type,
                ):
                    writer.write(chunk.encode())
            except ValueError as error:
                raise PollyOutputObjectError(f"The captions cannot be made: {error}") from error


def remove_outdated(settings: DocumentSettings, outdated: Iterable[S3Location]) -> None:
    """Remove speech marks and captions that belong to a file that was replaced. Raises no error.

    :param settings: the settings of the try
    :param outdated: the places of the objects
    """
    for location in outdated:
        try:
            settings.s3.client.delete_object(Bucket=location.bucket, Key=location.key)
        except (ClientError, BotoCoreError) as error:
            log.warning(
                "The file is complete, but an object that belongs to the replaced file could not be removed "
                "(%s). Remove %s, and allow s3:DeleteObject on it.",
                error,
                location.uri,
            )


def _layout(captions: CaptionsRecord) -> CueLayout:
    return CueLayout(
        max_lines=captions.max_lines,
        max_line_characters=captions.max_line_characters,
        max_seconds=captions.max_seconds,
        pause_seconds=captions.pause_seconds,
    )


def _content(s3: S3Access, stored: StoredObject) -> Iterator[bytes]:
    if stored.size:
        for limits in ranges_between(0, stored.size, PART_BYTES):
            yield stored.read(s3.client, *limits)
