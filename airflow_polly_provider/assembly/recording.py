"""Records a joined file: its captions, its chapters and its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.captions import remove_outdated, write_captions
from airflow_polly_provider.assembly.chapters import podcast_chapters
from airflow_polly_provider.audio.chapters import CHAPTERS_CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.assembly.store import DocumentStore
    from airflow_polly_provider.aws.s3 import S3Location

LAYOUT_METADATA = "polly-layout"
"""The name of the metadata of a joined file that contains its layout id."""


def is_file_of(manifest: DocumentManifest, head: Mapping[str, Any] | None) -> bool:
    """Return whether an object is the joined file that a manifest describes.

    :param manifest: the manifest
    :param head: the response to HeadObject for the object; None if there is none
    """
    return head is not None and head["Metadata"].get(LAYOUT_METADATA) == manifest.layout_id


def outdated_objects(settings: DocumentSettings, manifest: DocumentManifest) -> list[S3Location]:
    """Return the speech marks and captions of the replaced file that the document does not write itself.

    :param settings: the settings of the try
    :param manifest: the plan of the document
    """
    places = settings.places
    formats = () if manifest.captions is None else manifest.captions.formats
    outdated = [places.captions(name) for name in manifest.previous_captions if name not in formats]
    if manifest.previous_layout_id is not None:
        outdated.append(places.marks(manifest.previous_layout_id))
    return outdated


def record_file(
    settings: DocumentSettings, store: DocumentStore, manifest: DocumentManifest, etag: str
) -> None:
    """Write the captions, the chapters and the manifest of a joined file.

    :param settings: the settings of the try
    :param store: the place of the manifest
    :param manifest: the manifest, with the places of all pieces
    :param etag: the ETag of the file
    """
    manifest.etag = etag
    outdated = outdated_objects(settings, manifest)
    manifest.previous_etag = manifest.previous_layout_id = None
    manifest.previous_captions = ()
    for piece in manifest.pieces:
        piece.previous_offset = None
        if piece.marks is not None:
            piece.marks.previous_offset = piece.marks.previous_ms = piece.marks.previous_text = None
    write_captions(settings, manifest)
    settings.s3.client.put_object(
        Bucket=settings.places.chapters.bucket,
        Key=settings.places.chapters.key,
        Body=podcast_chapters(manifest),
        ContentType=CHAPTERS_CONTENT_TYPE,
    )
    store.save(manifest)
    remove_outdated(settings, outdated)
