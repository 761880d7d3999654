"""Where the SynthesizeSpeech operator stores the audio: S3, or any file system that Airflow supports."""

from __future__ import annotations

import contextlib
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError

from airflow_polly_provider.aws.errors import translate_credentials_errors, translate_s3_errors
from airflow_polly_provider.aws.s3 import S3Location, s3_path, validate_key
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.output.local_file import prepare_local_file
from airflow_polly_provider.request.native import validate_path, validate_string_or_integer
from airflow_polly_provider.request.validation import check_member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from airflow_polly_provider.output.speech_stream import Speech

log = logging.getLogger(__name__)

_CHUNK_BYTES = 64 * 1024
_LOCAL_PATH = re.compile(r"(?:(?:file|local)://(?:[^@/]*@)?)?(?P<path>(?![\w+.-]+://).+)", re.DOTALL)
# botocore can use the global endpoint for us-east-1. Polly's own OutputUri contains the region.
_GLOBAL_ENDPOINT = "https://s3.amazonaws.com"
_US_EAST_1_ENDPOINT = "https://s3.us-east-1.amazonaws.com"


class StoredSpeech(NamedTuple):
    """Speech that has been stored.

    :param speech: the stream, read to its end
    :param output: ``OutputUri``, and ``OutputS3Uri`` if the speech is in S3
    """

    speech: Speech
    output: dict[str, str]


class SpeechDestination(Protocol):
    """A location for one piece of audio.

    :param hook_parameters: the parameters of the S3Hook that can read the audio; None if it is not in S3
    :param has_custom_endpoint: whether it was stored in S3 through an endpoint that does not belong to AWS
    """

    hook_parameters: Mapping[str, Any] | None
    has_custom_endpoint: bool

    def receive(self, speak: Callable[[], Speech]) -> StoredSpeech:
        """Store Polly's speech completely, or not at all.

        :param speak: function that requests the speech; not called if it is already known that nothing can be
            stored
        """


def speech_destination(
    *, bucket: object, key: object, path: object, hook_parameters: Mapping[str, Any]
) -> SpeechDestination:
    """Return the destination given by an operator's rendered parameters.

    :param bucket: ``output_s3_bucket_name``
    :param key: ``output_s3_key``
    :param path: ``output_path``, given instead of bucket and key
    :param hook_parameters: the hook parameters of the operator's own connection
    :raises PollyInvalidRequestError: the parameters do not specify a valid destination
    """
    if path is None and (bucket is not None or key is not None):
        key = validate_string_or_integer(key, "output_s3_key")
        return S3Destination(_validate_location(bucket, key, "output_s3_key"), hook_parameters)
    path = validate_path(path, "output_path")
    if (found := s3_path(path, hook_parameters, parameter="output_path")) is None:
        return PathDestination(path)
    return S3Destination(_validate_location(*found.location, "the key in output_path"), found.hook_parameters)


def _validate_location(bucket: object, key: str, parameter: str) -> S3Location:
    check_member("OutputS3BucketName", bucket)
    return S3Location(str(bucket), validate_key(key, parameter=parameter))


class S3Destination:
    """An object in S3, uploaded in parts while Polly sends audio. It appears in S3 when it is complete.

    :param location: the object's location
    :param hook_parameters: the parameters of an S3Hook
    """

    def __init__(self, location: S3Location, hook_parameters: Mapping[str, Any]) -> None:
        self.location = location
        self.hook_parameters: Mapping[str, Any] | None = hook_parameters
        self._hook_parameters = hook_parameters
        self.has_custom_endpoint = False

    def receive(self, speak: Callable[[], Speech]) -> StoredSpeech:
        """Store Polly's speech."""
        # Imported here, because the import is slow and parsing a DAG file does not need it.
        from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

        with self._translate_connection_errors():
            # Without threads, only one part is in memory at a time.
            hook: Any = NamedConnectionS3Hook(
                **self._hook_parameters, transfer_config_args={"use_threads": False}
            )
            client: Any = hook.conn
            self.has_custom_endpoint = hook.has_custom_endpoint
            # This sends no request, but it looks up the credentials.
            client.generate_presigned_url(
                "put_object", Params={"Bucket": self.location.bucket, "Key": self.location.key}
            )
        with speak() as speech:
            # These errors are final, because each retry would be billed.
            not_written = f"The speech could not be written to {self.location.uri}"
            with translate_s3_errors(
                missing=f"{not_written}: there is no such bucket",
                denied=f"{not_written}: allow s3:PutObject on it to the connection's identity",
            ):
                # The hook's own upload method is not used: it reports an asset to lineage, and cuts off the
                # asset's key at "#".
                client.upload_fileobj(
                    speech,
                    self.location.bucket,
                    self.location.key,
                    ExtraArgs={"ContentType": speech.content_type} if speech.content_type else {},
                    Config=hook.transfer_config,
                )
        return StoredSpeech(speech, self._output(client.meta.endpoint_url.rstrip("/")))

    def _output(self, endpoint: str) -> dict[str, str]:
        """Return ``OutputUri`` in the form that Polly uses, and ``OutputS3Uri``."""
        if endpoint == _GLOBAL_ENDPOINT:
            endpoint = _US_EAST_1_ENDPOINT
        return {
            "OutputUri": f"{endpoint}/{self.location.bucket}/{self.location.key}",
            "OutputS3Uri": self.location.uri,
        }

    @contextlib.contextmanager
    def _translate_connection_errors(self) -> Iterator[None]:
        """Translate errors about settings or credentials into an error that names the connection."""
        connection = f"the connection {self._hook_parameters.get('aws_conn_id')!r}"
        try:
            with translate_credentials_errors(f"s3:PutObject to {self.location.uri}", lambda: connection):
                yield
        except (ConnectionError, HTTPClientError):
            # STS or the metadata service could not be reached. The settings may be correct.
            raise
        except BotoCoreError as error:
            raise PollyConfigurationError(
                f"The speech cannot be written to {self.location.uri} with {connection}: {error}. Correct "
                "the connection."
            ) from error


class PathDestination:
    """A file on any file system that Airflow supports. The file gets its final name when it is complete.

    :param path: an ObjectStoragePath, or a string for one
    """

    hook_parameters: Mapping[str, Any] | None = None
    has_custom_endpoint = False

    def __init__(self, path: object) -> None:
        self._uri = str(path)
        if not self._uri.strip():
            raise PollyInvalidRequestError("output_path is empty. Look at its rendered template.")
        self._local = local = _LOCAL_PATH.fullmatch(self._uri)
        if self._uri.endswith("/"):
            raise PollyInvalidRequestError(f"output_path {self._uri!r:.200} must name a file, not a folder.")
        # Both are imported here, because the imports are slow and parsing a DAG file does not need them.
        if local:
            # Airflow 2.11.0 cannot make a path for a local file with a current universal_pathlib.
            from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # has no types

            self._files: Any = LocalFileSystem()
            self._target: str = local["path"]
        else:
            from airflow_polly_provider.compat import ObjectStoragePath

            stored = ObjectStoragePath(self._uri)
            self._files, self._target = stored.fs, stored.path

    def receive(self, speak: Callable[[], Speech]) -> StoredSpeech:
        """Store Polly's speech."""
        with self._new_file() as file, speak() as speech:
            while data := speech.read(_CHUNK_BYTES):
                file.write(data)
        return StoredSpeech(speech, {"OutputUri": self._uri})

    @contextlib.contextmanager
    def _new_file(self) -> Iterator[BinaryIO]:
        files, target = self._files, self._target
        local = prepare_local_file(files._strip_protocol(target)) if self._local else None
        if local is not None:
            target = local.path
        folder, separator, _ = target.rpartition("/")
        # Not based on the target's name, which may already have the maximum length of the file system.
        unfinished = f"{folder}{separator}.{uuid.uuid4().hex}.part"
        try:
            with files.open(unfinished, "wb") as file:
                if local is not None:
                    local.give_mode_and_owner_to(file.fileno())
                yield file
            self._finish(unfinished, target)
        except BaseException:
            # Partial output is removed after any error, including Airflow's signals. If the removal fails
            # too, its error must not replace the first one. Each file system has its own error classes.
            with contextlib.suppress(Exception):
                files.rm(unfinished)
            raise

    def _finish(self, unfinished: str, target: str) -> None:
        from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # has no types

        if type(self._files).mv is not AbstractFileSystem.mv:
            self._files.mv(unfinished, target)
            return
        # fsspec's default move copies the file and then removes it. If only the removal fails, no error is
        # raised, because the speech is stored and paid for.
        self._files.copy(unfinished, target)
        try:
            self._files.rm(unfinished)
        except Exception as error:  # noqa: BLE001 - each file system has its own error classes
            log.warning(
                "%s is complete, but its temporary file %s could not be removed (%s). Delete that file, and "
                "allow the worker to delete files there.",
                self._uri,
                unfinished,
                error,
            )
