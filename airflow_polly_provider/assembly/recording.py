"""Records a joined file: its captions, its chapters and its manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.captions import (
    UnusableMarksError,
    remove_captions,
    write_captions,
)
from airflow_polly_provider.assembly.chapters import podcast_chapters
from airflow_polly_provider.assembly.errors import translate_caption_errors
from airflow_polly_provider.audio.chapters import CHAPTERS_CONTENT_TYPE
from airflow_polly_provider.exceptions import PollyOutputObjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.assembly.store import DocumentStore

LAYOUT_METADATA = "polly-layout"
"""The name of the metadata of a joined file that contains its layout id."""


def is_file_of(manifest: DocumentManifest, head: Mapping[str, Any] | None) -> bool:
    """Return whether an object is the joined file that a manifest describes.

    :param manifest: the manifest
    :param head: the response to HeadObject for the object; None if there is none
    """
    return head is not None and head["Metadata"].get(LAYOUT_METADATA) == manifest.layout_id


def record_file(
    settings: DocumentSettings, store: DocumentStore, manifest: DocumentManifest, etag: str
) -> None:
    """Write the captions, the chapters and the manifest of a joined file.

    The file is complete, so its manifest is written even if the captions cannot be.

    :param settings: the settings of the try
    :param store: the place of the manifest
    :param manifest: the manifest, with the places of all pieces
    :param etag: the ETag of the file
    :raises PollyOutputObjectError: the captions cannot be written
    """
    manifest.etag = etag
    formats = () if manifest.captions is None else manifest.captions.formats
    outdated = [name for name in manifest.previous_captions if name not in formats]
    manifest.previous_etag = manifest.previous_layout_id = None
    manifest.previous_captions = ()
    for piece in manifest.pieces:
        piece.previous_offset = None
        if piece.marks is not None:
            piece.marks.previous_offset = piece.marks.previous_ms = piece.marks.previous_text = None
    problem = _problem_of_captions(settings, manifest)
    settings.s3.client.put_object(
        Bucket=settings.places.chapters.bucket,
        Key=settings.places.chapters.key,
        Body=podcast_chapters(manifest),
        ContentType=CHAPTERS_CONTENT_TYPE,
    )
    store.save(manifest)
    if problem is not None:
        raise problem
    remove_captions(settings, outdated)


def _problem_of_captions(settings: DocumentSettings, manifest: DocumentManifest) -> Exception | None:
    """Write the captions. If this fails, return the error, and note in the manifest what is missing."""
    try:
        with translate_caption_errors(settings.hook, settings.places.output):
            write_captions(settings, manifest)
    except UnusableMarksError as error:
        manifest.captions = None
        for piece in manifest.pieces:
            piece.marks = None
        return PollyOutputObjectError(
            f"{error} The next try pays for the speech marks again if those of the pieces are gone too, but "
            "not for audio."
        )
    except PollyOutputObjectError as error:
        if manifest.captions is not None:
            manifest.captions = replace(manifest.captions, formats=())
        return error
    return None
