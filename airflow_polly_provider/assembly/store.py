"""Reads and writes the manifests of a document in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.manifest_format import manifest_content, read_manifest
from airflow_polly_provider.batch.json_members import MalformedError
from airflow_polly_provider.batch.manifest_requests import ConditionError, ManifestRequests
from airflow_polly_provider.exceptions import PollyInvalidRequestError, PollyManifestReplacedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.aws.s3 import S3Location


class DocumentStore:
    """A document's manifest at one place in S3.

    :param client: returns boto3's S3 client; called for each request
    :param location: the place
    :param if_damaged: what to do if the object there is not a document's manifest
    """

    def __init__(self, client: Callable[[], Any], location: S3Location, *, if_damaged: str) -> None:
        self.location = location
        self._if_damaged = if_damaged
        self._requests = ManifestRequests(client, location.bucket)
        self._etag: str | None = None

    def load(self) -> DocumentManifest | None:
        """Return the manifest, or None if there is no object.

        :raises PollyInvalidRequestError: the object is not a document's manifest, or it is damaged
        :raises PollyConfigurationError: S3 denies access
        """
        found = self._requests.get(self.location.key)
        if found is None:
            self._etag = None
            return None
        self._etag = found.etag
        try:
            return read_manifest(found.content)
        except MalformedError as error:
            raise PollyInvalidRequestError(
                f"{self.location.uri} cannot be used as the document's manifest: {error}. {self._if_damaged}"
            ) from error

    def replace(self, manifest: DocumentManifest) -> None:
        """Write the manifest, whatever is there.

        :param manifest: the manifest
        :raises PollyConfigurationError: S3 denies access
        """
        self._etag = self._requests.put(self.location.key, manifest_content(manifest))

    def save(self, manifest: DocumentManifest) -> None:
        """Write the manifest, unless something else has written it since it was loaded.

        :param manifest: the manifest
        :raises PollyManifestReplacedError: another try or run has written it
        :raises PollyConfigurationError: S3 denies access
        """
        content = manifest_content(manifest)
        condition = {"IfNoneMatch": "*"} if self._etag is None else {"IfMatch": self._etag}
        try:
            self._etag = self._requests.put(self.location.key, content, **condition)
        except ConditionError as error:
            # boto3 repeats a request whose response was lost. S3 rejects the repeated one.
            found = self._requests.get(self.location.key)
            if found is not None and found.content == content:
                self._etag = found.etag
                return
            raise PollyManifestReplacedError(
                f"{self.location.uri} was written by another try of this task, or by another run with the "
                "same output_s3_key. Let only one run at a time write to a key (max_active_runs=1). The next "
                "try uses what is already synthesized."
            ) from error
