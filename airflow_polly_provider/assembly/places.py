"""The keys of a document's objects in S3, made from the key of the joined file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.aws.s3 import S3Location, validate_key
from airflow_polly_provider.batch.identity import default_manifest_key
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.output.provenance import validate_output_key
from airflow_polly_provider.start.token import MAX_PREFIX_CHARACTERS, TOKEN_CHARACTERS

if TYPE_CHECKING:
    from airflow_polly_provider.batch.manifest import BatchRunId

# AWS allows only these characters in OutputS3KeyPrefix.
_NOT_IN_A_PREFIX = re.compile(r"[^0-9a-zA-Z/!\-_.*'():;$@=+,?&]")


CAPTION_SUFFIXES = {"vtt": "vtt", "srt": "srt", "json": "transcript.json"}
"""What the keys of the captions add to the key of the joined file, by format."""


class DocumentPlaces(NamedTuple):
    """The places of a document's objects.

    :param output: the joined file
    :param manifest: the document's manifest
    :param chapters: the podcast chapters, JSON
    :param prefix: the beginning of the keys of the pieces
    :param batch_manifest: the manifest of the batch that synthesizes the pieces
    :param plan: the document's manifest of a run that has not ended
    """

    output: S3Location
    manifest: S3Location
    chapters: S3Location
    prefix: str
    batch_manifest: S3Location
    plan: S3Location

    def captions(self, name: str) -> S3Location:
        """Return the place of the captions in a format.

        :param name: ``vtt``, ``srt`` or ``json``
        """
        return S3Location(self.output.bucket, f"{self.output.key}.{CAPTION_SUFFIXES[name]}")

    def marks(self, layout_id: str) -> S3Location:
        """Return the place of the speech marks that belong to a joined file.

        :param layout_id: the layout id of the joined file
        """
        return S3Location(self.output.bucket, f"{self.marks_prefix}{layout_id}.marks")

    @property
    def marks_prefix(self) -> str:
        """The beginning of the keys of the files of speech marks."""
        return f"{self.output.key}.marks/"


def document_places(
    bucket: str, key: object, *, manifest_key: str | None, prefix: str | None, run_id: BatchRunId
) -> DocumentPlaces:
    """Return the places of a document's objects after checking that they differ.

    :param bucket: the bucket of all objects
    :param key: the key of the joined file
    :param manifest_key: the operator's ``manifest_s3_key``; None for the default
    :param prefix: the operator's ``output_s3_key_prefix``; None for the default
    :param run_id: the identity of the Airflow task in its DAG run
    :raises PollyInvalidRequestError: a key is invalid, or two objects would have the same key
    """
    key = validate_output_key(key, prefix)
    chapters = validate_key(f"{key}.chapters.json", parameter="output_s3_key with .chapters.json")
    manifest = f"{key}.manifest.json" if manifest_key is None else manifest_key
    validate_key(manifest, parameter="manifest_s3_key")
    if prefix is None:
        prefix = _default_prefix(key)
    batch_manifest = default_manifest_key(run_id, prefix)
    places = DocumentPlaces(
        output=S3Location(bucket, key),
        manifest=S3Location(bucket, manifest),
        chapters=S3Location(bucket, chapters),
        prefix=prefix,
        batch_manifest=S3Location(bucket, batch_manifest),
        plan=S3Location(bucket, batch_manifest.removesuffix(".json") + ".plan.json"),
    )
    for longest in (places.captions("json"), places.marks("0" * 32)):
        validate_key(longest.key, parameter="output_s3_key with the endings of its captions")
    _validate_different(places)
    return places


def _default_prefix(key: str) -> str:
    room = MAX_PREFIX_CHARACTERS - TOKEN_CHARACTERS - len(".pieces/")
    return f"{_NOT_IN_A_PREFIX.sub('_', key)[:room]}.pieces/"


def _validate_different(places: DocumentPlaces) -> None:
    seen: dict[str, str] = {}
    for name, location in (
        ("output_s3_key", places.output),
        ("manifest_s3_key", places.manifest),
        ("the key of the chapters", places.chapters),
        ("the key of the batch's manifest", places.batch_manifest),
        ("the key of the plan", places.plan),
        *((f"the key of the {name} captions", places.captions(name)) for name in CAPTION_SUFFIXES),
    ):
        if (other := seen.setdefault(location.key, name)) != name:
            raise PollyInvalidRequestError(f"{name} and {other} are the same: {location.key!r:.100}.")
