"""Where the operator that speaks at once stores the audio: S3, or any file system that Airflow knows."""

from __future__ import annotations

import contextlib
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.hooks.errors import NO_CREDENTIALS, error_code
from airflow_polly_provider.operators.s3_path import checked_key, s3_path
from airflow_polly_provider.synthesis_request import check_member
from airflow_polly_provider.synthesis_task import S3Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from airflow_polly_provider.operators.speech_stream import SpeechStream

log = logging.getLogger(__name__)

_CHUNK_BYTES = 64 * 1024
_LOCAL_PATH = re.compile(r"(?:(?:file|local)://(?:[^@/]*@)?)?(?P<path>(?![\w+.-]+://).+)", re.DOTALL)
# What botocore names us-east-1's endpoint; Polly names the region in its own OutputUri.
_GLOBAL_ENDPOINT = "https://s3.amazonaws.com"
_US_EAST_1_ENDPOINT = "https://s3.us-east-1.amazonaws.com"
_FINAL_CODES = {
    "AccessDenied": (PollyConfigurationError, "allow s3:PutObject on it to the connection's identity"),
    "NoSuchBucket": (PollyInvalidRequestError, "there is no such bucket"),
}


class SpeechOutput(Protocol):
    """A place for one piece of audio."""

    def receive(self, speak: Callable[[], SpeechStream]) -> SpeechStream:
        """Store what Polly speaks, whole or not at all, and return it, read to its end.

        :param speak: asks Polly; not called where it is plain before that nothing can be stored
        """

    def where(self) -> dict[str, str]:
        """Return ``OutputUri``, and ``OutputS3Uri`` where it is S3."""


def speech_output(
    *, bucket: str | None, key: str | None, path: object, hook_parameters: Mapping[str, Any]
) -> SpeechOutput:
    """Return the place that an operator's rendered parameters name.

    :param bucket: ``output_s3_bucket_name``
    :param key: ``output_s3_key``
    :param path: ``output_path``, if it is not the two
    :param hook_parameters: of the operator's own connection
    :raises PollyInvalidRequestError: they name none
    """
    if path is None:
        return S3Output(_checked_location(bucket, key, "output_s3_key"), hook_parameters)
    if (found := s3_path(path, hook_parameters, parameter="output_path")) is None:
        return PathOutput(path)
    return S3Output(_checked_location(*found.location, "the key in output_path"), found.hook_parameters)


def _checked_location(bucket: object, key: object, parameter: str) -> S3Location:
    check_member("OutputS3BucketName", bucket)
    return S3Location(str(bucket), checked_key(key, parameter=parameter))


class S3Output:
    """An object in S3, uploaded in parts while Polly speaks: S3 shows it when it is whole, or never.

    :param location: where
    :param hook_parameters: what an S3Hook is made with
    """

    def __init__(self, location: S3Location, hook_parameters: Mapping[str, Any]) -> None:
        self.location = location
        self._hook_parameters = hook_parameters
        self._endpoint = ""

    def receive(self, speak: Callable[[], SpeechStream]) -> SpeechStream:
        """Store what Polly speaks, and return it, read to its end."""
        # Slow to import for every parse of a DAG file.
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        with self._explained_before_speech():
            client: Any = S3Hook(**self._hook_parameters).conn
            # Sends nothing, but has to look the credentials up.
            client.generate_presigned_url(
                "put_object", Params={"Bucket": self.location.bucket, "Key": self.location.key}
            )
        endpoint = client.meta.endpoint_url.rstrip("/")
        self._endpoint = _US_EAST_1_ENDPOINT if endpoint == _GLOBAL_ENDPOINT else endpoint
        with speak() as speech:
            # One part in memory at a time.
            hook: Any = S3Hook(**self._hook_parameters, transfer_config_args={"use_threads": False})
            with self._explained():
                # The hook's own method reports to lineage an asset whose key is cut off at "#".
                client.upload_fileobj(
                    speech,
                    self.location.bucket,
                    self.location.key,
                    ExtraArgs={"ContentType": speech.content_type} if speech.content_type else {},
                    Config=hook.transfer_config,
                )
        return speech

    def where(self) -> dict[str, str]:
        """Return ``OutputUri`` in the form that Polly gives its own, and ``OutputS3Uri``."""
        location = self.location
        return {
            "OutputUri": f"{self._endpoint}/{location.bucket}/{location.key}",
            "OutputS3Uri": location.uri,
        }

    @contextlib.contextmanager
    def _explained_before_speech(self) -> Iterator[None]:
        """Tell which connection has no usable settings or credentials; nothing was billed then."""
        connection = f"the connection {self._hook_parameters.get('aws_conn_id')!r}"
        try:
            yield
        except NO_CREDENTIALS as error:
            raise PollyCredentialsError(
                f"No AWS credentials for s3:PutObject to {self.location.uri} by {connection} ({error}). Set "
                "them in the connection, or give the worker a role."
            ) from error
        except (ConnectionError, HTTPClientError):
            # Of a role or a metadata service that was not reached: says nothing of the settings.
            raise
        except BotoCoreError as error:
            raise PollyConfigurationError(
                f"The speech cannot be written to {self.location.uri} by {connection}: {error}. Correct the "
                "connection."
            ) from error

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Let what no retry can mend fail for good: each retry would be billed."""
        try:
            yield
        except ClientError as error:
            if (final := _FINAL_CODES.get(error_code(error))) is None:
                raise
            error_class, what = final
            raise error_class(
                f"The speech could not be written to {self.location.uri}: {what} ({error})."
            ) from error


class PathOutput:
    """A file on any file system that Airflow knows: written under another name, and moved when it is whole.

    :param path: an ObjectStoragePath, or what one is made of
    """

    def __init__(self, path: object) -> None:
        self._uri = str(path)
        if not self._uri.strip():
            raise PollyInvalidRequestError("output_path is empty. Look at its rendered template.")
        self._local = local = _LOCAL_PATH.fullmatch(self._uri)
        if self._uri.endswith("/"):
            raise PollyInvalidRequestError(f"output_path {self._uri!r:.200} must name a file, not a folder.")
        # Both are slow to import for every parse of a DAG file.
        if local:
            # Airflow 2.11.0 makes no path of a local file with a current universal_pathlib.
            from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # ships none

            self._files: Any = LocalFileSystem()
            self._target: str = local["path"]
        else:
            from airflow.providers.common.compat.sdk import ObjectStoragePath

            stored = ObjectStoragePath(self._uri)
            self._files, self._target = stored.fs, stored.path

    def receive(self, speak: Callable[[], SpeechStream]) -> SpeechStream:
        """Store what Polly speaks, and return it, read to its end."""
        with self._new_file() as file, speak() as speech:
            while data := speech.read(_CHUNK_BYTES):
                file.write(data)
        return speech

    def where(self) -> dict[str, str]:
        """Return ``OutputUri``."""
        return {"OutputUri": self._uri}

    @contextlib.contextmanager
    def _new_file(self) -> Iterator[BinaryIO]:
        files, target = self._files, self._target
        folder, separator, name = target.rpartition("/")
        unfinished = f"{folder}{separator}.{name}.{uuid.uuid4().hex}.part"
        if self._local:
            files.makedirs(folder or separator or ".", exist_ok=True)
            if files.isdir(target):
                raise PollyInvalidRequestError(f"output_path {target!r:.200} is a folder; name a file.")
        try:
            with files.open(unfinished, "wb") as file:
                yield file
            self._finish(unfinished)
        except BaseException:
            # Whatever ended it, also Airflow's signals, the part must not stay. What ended it is told, not
            # what comes here: each file system has errors of its own.
            with contextlib.suppress(Exception):
                files.rm(unfinished)
            raise

    def _finish(self, unfinished: str) -> None:
        from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # ships none

        if type(self._files).mv is not AbstractFileSystem.mv:
            self._files.mv(unfinished, self._target)
            return
        # A move that is none: where only the part cannot be removed, the speech is there, and paid for.
        self._files.copy(unfinished, self._target)
        try:
            self._files.rm(unfinished)
        except Exception as error:  # noqa: BLE001 - each file system has its own
            log.warning(
                "%s is whole, but its part %s could not be removed (%s): delete it, and allow deleting.",
                self._uri,
                unfinished,
                error,
            )
