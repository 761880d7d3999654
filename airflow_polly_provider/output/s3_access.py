"""One S3 client that many objects share. Creating a client takes much longer than a request."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_polly_provider.aws.errors import http_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

COPY_PART_BYTES = 256 * 1024 * 1024
"""An object of this size or larger is copied in parts of this size.

S3 copies at most 5 GB with one CopyObject. An object below this size is copied with one CopyObject. Its copy
is therefore complete or does not exist.
"""


class S3Access:
    """An S3 client, created when it is first needed, and its settings for copies.

    A worker may look up a connection only in its main thread. Several threads can share the client after the
    main thread has called :meth:`prepare`.

    :param s3_parameters: the parameters of S3Hook
    :param max_pool_connections: how many threads use the client at the same time
    :param config: settings that replace the connection's settings, for example shorter time-outs
    :param look_up_seconds: how long to repeat the look-up of a missing connection, in seconds; default 30
    """

    def __init__(
        self,
        s3_parameters: Mapping[str, Any],
        *,
        max_pool_connections: int = 10,
        config: Config | None = None,
        look_up_seconds: float | None = None,
    ) -> None:
        self._s3_parameters = s3_parameters
        self._max_pool_connections = max_pool_connections
        self._config = config or Config()
        self._look_up_seconds = look_up_seconds
        self._is_prepared = False
        self._is_stale = False

    def prepare(self) -> None:
        """Create the client, unless it exists and is usable. Call it in the main thread, before any thread.

        :raises PollyConnectionNotFoundError: Airflow did not find the connection
        """
        if self._is_stale:
            self._forget()
        self._is_prepared = True
        self.client, self.transfer_config  # noqa: B018 - both are created when they are first read

    def renew(self) -> None:
        """Discard the client, because its credentials may have expired.

        The next use creates a new one. If threads share the client, the next call of :meth:`prepare` does.
        """
        if self._is_prepared:
            self._is_stale = True
        else:
            self._forget()

    @cached_property
    def client(self) -> Any:
        """boto3's S3 client."""
        hook = self._hook
        own: Any = hook.config
        pool = max(self._max_pool_connections, own.max_pool_connections)
        config = own.merge(self._config).merge(Config(max_pool_connections=pool))
        return hook.get_client_type(region_name=hook.region_name, config=config)

    @cached_property
    def transfer_config(self) -> Any:
        """boto3's TransferConfig for copies. The connection can change it."""
        return self._hook.transfer_config

    def head(self, location: S3Location) -> Mapping[str, Any] | None:
        """Return the response to HeadObject, or None if the object does not exist.

        :param location: the object's location
        """
        try:
            head: Mapping[str, Any] = self.client.head_object(Bucket=location.bucket, Key=location.key)
        except ClientError as error:
            if http_status(error) == 404:
                return None
            raise
        return head

    def copy(
        self, original: S3Location, head: Mapping[str, Any], target: S3Location, metadata: Mapping[str, str]
    ) -> None:
        """Copy an object inside S3, with other metadata and the same content type.

        boto3's copy sends HeadObject again and starts threads. So it is used only for a copy in parts.

        :param original: the object's location
        :param head: the response to HeadObject
        :param target: the copy's location
        :param metadata: the copy's metadata
        """
        source = {"Bucket": original.bucket, "Key": original.key}
        made_as = {
            "MetadataDirective": "REPLACE",
            "Metadata": metadata,
            "ContentType": head["ContentType"],
            "CopySourceIfMatch": head["ETag"],
        }
        if head["ContentLength"] < self.transfer_config.multipart_threshold:
            self.client.copy_object(CopySource=source, Bucket=target.bucket, Key=target.key, **made_as)
        else:
            self.client.copy(
                source, target.bucket, target.key, ExtraArgs=made_as, Config=self.transfer_config
            )

    @cached_property
    def _hook(self) -> NamedConnectionS3Hook:
        # Imported here, because the import is slow and parsing a DAG file does not need it.
        from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

        parts = {"multipart_threshold": COPY_PART_BYTES, "multipart_chunksize": COPY_PART_BYTES}
        return NamedConnectionS3Hook(
            **self._s3_parameters, transfer_config_args=parts, look_up_seconds=self._look_up_seconds
        )

    def _forget(self) -> None:
        self._is_stale = False
        for name in ("client", "transfer_config", "_hook"):
            self.__dict__.pop(name, None)
