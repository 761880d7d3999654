"""Reads and writes a batch's manifest in S3, so that of two tries only one can write."""

from __future__ import annotations

import hashlib
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.batch.json_members import MalformedError
from airflow_polly_provider.batch.manifest_format import (
    PartReference,
    main_content,
    part_content,
    read_main,
    read_part,
)
from airflow_polly_provider.batch.manifest_requests import ConditionError, ManifestRequests, is_no_answer
from airflow_polly_provider.exceptions import (
    PollyError,
    PollyInvalidRequestError,
    PollyManifestReplacedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.manifest import ItemRecord, Manifest
    from airflow_polly_provider.batch.manifest_requests import ManifestObject

log = logging.getLogger(__name__)

ITEMS_PER_PART = 10_000
"""A manifest with more items than this is stored in parts of this number of items."""

_WRITE_ATTEMPTS = 3
_WRITE_AGAIN_SECONDS = 1.0
_PART_NAME_DIGITS = 32


class ManifestStore:
    """The manifest at one place in S3.

    Only one writer succeeds: each write requires the object that this store has read or written before.

    :param client: returns boto3's S3 client; called for each request
    :param location: the place of the main object
    """

    def __init__(self, client: Callable[[], Any], location: S3Location) -> None:
        self.uri = location.uri
        self.etag: str | None = None
        """The ETag of the main object that was read or written last; None if there is none."""
        self.bytes_written = 0
        """The size of all objects that this store has sent to S3."""
        self._requests = ManifestRequests(client, location.bucket)
        self._key = location.key
        self._parts: list[PartReference] = []

    @property
    def part_keys(self) -> list[str]:
        """The keys of the parts of the manifest that was read or written last."""
        return [part.key for part in self._parts]

    def load(self, *, etag: str | None = None) -> Manifest | None:
        """Return the manifest, or None if there is no object.

        If S3 throttles the request, fails or does not respond, botocore's error is raised unchanged.

        :param etag: the ETag that the main object must have
        :raises PollyManifestReplacedError: the main object has another ETag, or was replaced while its parts
            were read
        :raises PollyInvalidRequestError: the object is not a manifest of this package, or it is damaged
        :raises PollyConfigurationError: S3 denies access
        :raises PollyError: S3 rejected the request for another reason
        """
        try:
            found = self._requests.get(self._key, etag=etag)
        except ConditionError as error:
            raise self._replaced() from error
        if found is None:
            if etag is not None:
                raise self._replaced()
            self.etag, self._parts = None, []
            return None
        manifest, parts = self._read(found)
        self.etag, self._parts = found.etag, parts
        return manifest

    def save(self, manifest: Manifest) -> None:
        """Write the manifest if nothing else has written it since this store read or wrote it.

        If S3 throttles the request, fails or does not respond, botocore's error is raised unchanged.

        :param manifest: the manifest
        :raises PollyManifestReplacedError: another try or run has written the object
        :raises PollyConfigurationError: S3 denies access
        :raises PollyError: S3 rejected the request for another reason
        """
        parts = self._write_parts(manifest)
        content = main_content(manifest, uuid.uuid4().hex, parts)
        self.etag = self._put_main(content)
        kept = {part.key for part in parts}
        for part in self._parts:
            if part.key not in kept:
                self._delete(part.key)
        self._parts = parts

    def _read(self, found: ManifestObject) -> tuple[Manifest, list[PartReference]]:
        try:
            manifest, parts = read_main(found.content)
            self._validate_keys(parts)
        except MalformedError as error:
            raise self._unusable(self.uri, error) from error
        for part in parts:
            manifest.records += self._read_part(part, manifest, found.etag)
        return manifest, parts

    def _read_part(self, part: PartReference, manifest: Manifest, etag: str) -> list[ItemRecord]:
        uri = f"{self.uri.removesuffix(self._key)}{part.key}"
        try:
            stored = self._requests.get(part.key, etag=part.etag)
        except ConditionError:
            stored = None
        if stored is None:
            self._require_current(etag)
            missing = MalformedError("it does not exist, or it was changed")
            raise self._unusable(uri, missing) from missing
        try:
            return read_part(stored.content, manifest, part.item_count)
        except MalformedError as error:
            raise self._unusable(uri, error) from error

    def _require_current(self, etag: str) -> None:
        """Raise an error if the main object has been replaced. Its writer then removes earlier parts."""
        try:
            current = self._requests.get(self._key, etag=etag)
        except ConditionError as error:
            raise self._replaced() from error
        if current is None:
            raise self._replaced()

    def _validate_keys(self, parts: Sequence[PartReference]) -> None:
        """Accept only keys that this store could have written: it reads and deletes these objects."""
        own = re.compile(rf"{re.escape(self._part_prefix)}[0-9a-f]{{{_PART_NAME_DIGITS}}}\.json")
        keys = [part.key for part in parts]
        for key in keys:
            if not own.fullmatch(key):
                raise MalformedError(f"Key is {key!r:.100}, which is not the key of a part")
        if len(set(keys)) < len(keys):
            raise MalformedError("a part is listed twice")

    @property
    def _part_prefix(self) -> str:
        return f"{self._key}.parts/"

    def _write_parts(self, manifest: Manifest) -> list[PartReference]:
        if len(manifest.records) <= ITEMS_PER_PART:
            return []
        known = {part.key: part for part in self._parts}
        parts = []
        for first in range(0, len(manifest.records), ITEMS_PER_PART):
            records = manifest.records[first : first + ITEMS_PER_PART]
            content = part_content(manifest, records)
            digest = hashlib.sha256(content).hexdigest()[:_PART_NAME_DIGITS]
            key = f"{self._part_prefix}{digest}.json"
            parts.append(known.get(key) or PartReference(key, self._put(key, content), len(records)))
        return parts

    def _put(self, key: str, content: bytes, **condition: str) -> str:
        self.bytes_written += len(content)
        return self._requests.put(key, content, **condition)

    def _put_main(self, content: bytes) -> str:
        """Write the main object and return its ETag.

        boto3 repeats a request whose response was lost. If the lost request was performed, S3 rejects the
        repeated one, so a rejection does not show that another writer has written the object.
        """
        condition = {"IfNoneMatch": "*"} if self.etag is None else {"IfMatch": self.etag}
        attempt = 1
        while True:
            try:
                return self._put(self._key, content, **condition)
            except (ConditionError, ClientError, BotoCoreError, PollyError) as error:
                if not isinstance(error, ConditionError) and not is_no_answer(error):
                    raise
                if (etag := self._etag_if_written(content)) is not None:
                    return etag
                if attempt == _WRITE_ATTEMPTS:
                    if isinstance(error, ConditionError):
                        raise self._replaced() from error
                    raise
                log.info("Cannot write %s yet, trying again: %s", self.uri, error)
            time.sleep(_WRITE_AGAIN_SECONDS * attempt)
            attempt += 1

    def _etag_if_written(self, content: bytes) -> str | None:
        """Return the main object's ETag if it has this content, or None if it is as before the request."""
        found = self._requests.get(self._key)
        if found is not None and found.content == content:
            return found.etag
        if (None if found is None else found.etag) != self.etag:
            raise self._replaced()
        return None

    def _delete(self, key: str) -> None:
        try:
            self._requests.delete(key)
        except (ClientError, BotoCoreError, PollyError) as error:
            log.warning("An old part of the batch's manifest remains in S3: %s", error)

    def _replaced(self) -> PollyManifestReplacedError:
        return PollyManifestReplacedError(
            f"The batch's manifest {self.uri} was replaced or deleted: another try of this task has taken "
            "over, or another run uses the same key. This try stops. If it was another run, put {{ run_id }} "
            "into manifest_s3_key."
        )

    def _unusable(self, uri: str, error: MalformedError) -> PollyInvalidRequestError:
        return PollyInvalidRequestError(
            f"{uri} cannot be used as the batch's manifest: {error}. Choose another manifest_s3_key. If the "
            "object is not needed, delete it."
        )
