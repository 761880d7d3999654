"""The captions of a document, made from its file of speech marks."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.assembly.chapters import duration_seconds
from airflow_polly_provider.assembly.marks import content_of, stored_object
from airflow_polly_provider.captions.convert import CAPTION_CONTENT_TYPES, captions_from_sentences
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.sentences import read_sentences
from airflow_polly_provider.captions.webvtt import is_language_tag
from airflow_polly_provider.exceptions import PollyOutputObjectError
from airflow_polly_provider.output.object_writer import written_object
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.assembly.manifest import CaptionsRecord, DocumentManifest
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.captions.convert import CaptionFormat
    from airflow_polly_provider.captions.sentences import SpokenSentence
    from airflow_polly_provider.output.multipart import StoredObject
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)


class UnusableMarksError(PollyOutputObjectError):
    """The speech marks of a complete file are gone or damaged. The message does not say what to do."""


def write_captions(settings: DocumentSettings, manifest: DocumentManifest) -> None:
    """Write the captions of a joined file, in each format that the document has.

    :param settings: the settings of the try
    :param manifest: the manifest of the joined file
    :raises UnusableMarksError: the speech marks are gone or damaged
    """
    captions = manifest.captions
    if captions is None:
        return
    location = settings.places.marks(manifest.layout_id)
    stored = stored_object(settings.s3, location)
    if stored is None:
        raise UnusableMarksError(
            f"{location.uri} is gone, so the captions of the finished file cannot be made. Find out what "
            "removed it."
        )
    # The language can come from the file of the document, which can contain anything there.
    language = manifest.language if is_language_tag(manifest.language or "") else None
    for name in captions.formats:
        target = settings.places.captions(name)
        made_as = {"Bucket": target.bucket, "Key": target.key, "ContentType": CAPTION_CONTENT_TYPES[name]}
        with written_object(settings.s3.client, made_as, largest_copy_bytes=COPY_PART_BYTES) as writer:
            try:
                for chunk in captions_from_sentences(
                    _sentences(settings.s3, stored, manifest),
                    name,
                    duration_seconds=duration_seconds(manifest),
                    language=language,
                    layout=_layout(captions),
                ):
                    writer.write(chunk.encode())
            except ValueError as error:
                raise UnusableMarksError(
                    f"The captions of {settings.places.output.uri} cannot be made: {error}."
                ) from error


def are_captions_missing(settings: DocumentSettings, manifest: DocumentManifest) -> bool:
    """Return whether captions that belong to a joined file are gone.

    :param settings: the settings of the try
    :param manifest: the manifest of the joined file
    """
    formats = () if manifest.captions is None else manifest.captions.formats
    return any(settings.s3.head(settings.places.captions(name)) is None for name in formats)


def remove_captions(settings: DocumentSettings, formats: Iterable[CaptionFormat]) -> None:
    """Remove captions that belong to a file that was replaced. Raises no error.

    :param settings: the settings of the try
    :param formats: their formats
    """
    for name in formats:
        location = settings.places.captions(name)
        try:
            settings.s3.client.delete_object(Bucket=location.bucket, Key=location.key)
        except (ClientError, BotoCoreError) as error:
            log.warning(
                "The file is complete, but captions of the replaced file could not be removed (%s). Remove "
                "%s, and allow s3:DeleteObject on it.",
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


def _sentences(s3: S3Access, stored: StoredObject, manifest: DocumentManifest) -> Iterator[SpokenSentence]:
    """Yield the sentences of a document. Only SSML has tags and entities that are not shown."""
    marks = (piece.marks for piece in manifest.pieces if piece.marks is not None)
    for is_ssml, group in groupby(marks, key=lambda each: each.is_ssml):
        pieces = list(group)
        start = pieces[0].offset or 0
        end = (pieces[-1].offset or 0) + (pieces[-1].size or 0)
        yield from read_sentences(content_of(s3, stored, start, end), text_type="ssml" if is_ssml else "text")
