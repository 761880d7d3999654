"""Removes the objects that a document needs only until its file is complete."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.output.provenance import is_pollys_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.assembly.places import DocumentPlaces
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.manifest import Manifest

log = logging.getLogger(__name__)

_MARKS_NAME = re.compile(r"[0-9a-f]{32}\.marks")
_AT_ONCE = 1000
"""The maximum number of keys in one DeleteObjects request."""


def remove_work_objects(settings: DocumentSettings, *, keep_pieces: bool) -> None:
    """Remove the pieces, the manifest of their batch, and the plan. Raises no error.

    :param settings: the settings of the try
    :param keep_pieces: whether to keep the pieces
    """
    places = settings.places
    store = ManifestStore(lambda: settings.s3.client, places.batch_manifest)
    try:
        manifest = store.load()
        if manifest is None and settings.s3.head(places.plan) is None:
            return
        keys = [places.batch_manifest.key, places.plan.key]
        if manifest is not None and manifest.run == settings.run_id and not keep_pieces:
            # The manifest is removed last: it names the pieces.
            keys = [location.key for location in _pieces(manifest, places)] + keys
        keys = [*store.part_keys, *keys]
        failed: list[str] = []
        for first in range(0, len(keys), _AT_ONCE):
            some = [{"Key": key} for key in keys[first : first + _AT_ONCE]]
            answer = settings.s3.client.delete_objects(
                Bucket=places.output.bucket, Delete={"Objects": some, "Quiet": True}
            )
            failed += [f"{error.get('Key')}: {error.get('Code')}" for error in answer.get("Errors", ())]
        problem: object = "; ".join(failed[:5])
    except (ClientError, BotoCoreError, PollyError) as error:
        problem = error
    if problem:
        log.warning(
            "The file is complete, but objects below s3://%s/%s could not be removed (%s). Allow "
            "s3:DeleteObject on them, or let a lifecycle rule of the bucket remove them.",
            places.output.bucket,
            places.prefix,
            problem,
        )


def remove_other_marks(settings: DocumentSettings, layout_id: str | None) -> None:
    """Remove the speech marks of replaced files, and of runs that ended too early. Raises no error.

    :param settings: the settings of the try
    :param layout_id: the layout id of the existing file, whose speech marks are kept; None to keep none
    """
    places = settings.places
    bucket, prefix = places.output.bucket, places.marks_prefix
    kept = None if layout_id is None else places.marks(layout_id).key
    try:
        found = settings.s3.client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        for key in (each["Key"] for each in found):
            if key != kept and _MARKS_NAME.fullmatch(key, len(prefix)):
                settings.s3.client.delete_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        log.warning(
            "The file is complete, but old speech marks below s3://%s/%s could not be removed (%s). Allow "
            "s3:ListBucket on the bucket and s3:DeleteObject on them.",
            bucket,
            prefix,
            error,
        )


def _pieces(manifest: Manifest, places: DocumentPlaces) -> Iterator[S3Location]:
    """Yield the objects that Polly wrote for a batch. Everyone who can write its manifest can forge it."""
    for record in manifest.records:
        if record.prefix != places.prefix:
            continue
        try:
            location = parse_output_uri(record.output_uri or "")
        except ValueError:
            continue
        if location.bucket == places.output.bucket and is_pollys_key(
            location.key, manifest.prefix_of(record)
        ):
            yield location
