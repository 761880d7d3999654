"""Reads objects from S3 for a listener: audio as a stream, small files as a whole."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.errors import (
    error_code,
    http_status,
    is_about_credentials,
    translate_credentials_errors,
)
from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.ui.media_types import audio_type
from airflow_polly_provider.ui.ranges import is_content_range, single_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.ui.s3_clients import AwsConnection, S3Clients

CHUNK_BYTES = 256 * 1024
"""How much of an object is in memory for one listener, in bytes."""

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Maximum size of captions, transcripts and chapters. The transcript of ten hours has about 10 MB."""

PRESIGNED_SECONDS = 3600
"""How long a presigned URL is valid, in seconds."""

_OPERATIONS = frozenset({"GetObject", "HeadObject"})


class ObjectError(Exception):
    """An object cannot be sent. The message is a sentence for the listener.

    :param status: the HTTP status of the response
    :param headers: further headers of the response
    """

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


class Audio(NamedTuple):
    """The response for a request for audio.

    :param status: 200 or 206
    :param headers: the headers, with the content type and the length
    :param body: botocore's body of the response of S3
    """

    status: int
    headers: dict[str, str]
    body: Any

    def read(self) -> bytes:
        """Return the next bytes, at most :data:`CHUNK_BYTES`; none at the end."""
        chunk: bytes = self.body.read(CHUNK_BYTES)
        return chunk

    def close(self) -> None:
        """End the request to S3. If not all bytes were read, this closes the connection."""
        self.body.close()


class Objects:
    """The objects that tasks have recorded.

    :param clients: the S3 clients
    """

    def __init__(self, clients: S3Clients) -> None:
        self._clients = clients

    def audio(
        self, connection: AwsConnection, location: S3Location, *, range_header: str | None, etag: str | None
    ) -> Audio:
        """Return audio, or the range of it that a listener's request asks for.

        :param connection: how the task reached AWS
        :param location: the audio
        :param range_header: the header Range of the request
        :param etag: the header If-Range of the request: with another ETag, the whole object is returned
        :raises ObjectError: the object is missing, forbidden or not audio, or the range is outside of it
        """
        asked = single_range(range_header)
        if asked is None or etag is None:
            answer = self._get(connection, location, Range=asked)
        else:
            answer = self._get_if_range(connection, location, asked, etag)
        try:
            return _audio(location, answer)
        except ObjectError:
            answer["Body"].close()
            raise

    def audio_headers(self, connection: AwsConnection, location: S3Location) -> dict[str, str]:
        """Return the headers of audio without its bytes.

        :param connection: how the task reached AWS
        :param location: the audio
        :raises ObjectError: the object is missing, forbidden or not audio
        """
        return _audio_headers(location, self._call("head_object", connection, location))

    def presigned_url(self, connection: AwsConnection, location: S3Location) -> str:
        """Return a URL that gives access to audio for :data:`PRESIGNED_SECONDS`.

        :param connection: how the task reached AWS
        :param location: the audio
        :raises ObjectError: the object is missing, forbidden or not audio
        """
        content_type = self.audio_headers(connection, location)["Content-Type"]
        parameters = {
            "Bucket": location.bucket,
            "Key": location.key,
            "ResponseContentType": content_type,
            # Browsers ignore the name of a download from another site. Players ignore this.
            "ResponseContentDisposition": "attachment",
        }
        with translated(location, connection):
            url: str = self._clients.client(connection).generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=PRESIGNED_SECONDS
            )
        return url

    def content(self, connection: AwsConnection, location: S3Location) -> bytes:
        """Return the content of a small file.

        :param connection: how the task reached AWS
        :param location: the file
        :raises ObjectError: the file is missing, forbidden or too large
        """
        answer = self._get(connection, location)
        with closing(answer["Body"]) as body, translated(location, connection):
            content: bytes = body.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ObjectError(413, f"{location.uri} is larger than {MAX_FILE_BYTES // 1024**2} MiB.")
        return content

    def json_list(self, connection: AwsConnection, location: S3Location, *, member: str) -> list[Any]:
        """Return a list in a small file with a JSON object.

        :param connection: how the task reached AWS
        :param location: the file
        :param member: the member of the object that is the list
        :raises ObjectError: the file is missing, forbidden, too large, or has no such list
        """
        stored = self.content(connection, location)
        try:
            content = json.loads(stored, parse_constant=_no_constant)
            listed = content[member] if isinstance(content, dict) else None
            # Values that are nested too deeply, or numbers that are too large, cannot be sent.
            json.dumps(listed, allow_nan=False)
        except (KeyError, ValueError, RecursionError) as error:
            raise _damaged(location, member) from error
        if not isinstance(listed, list):
            raise _damaged(location, member)
        return listed

    def _get_if_range(
        self, connection: AwsConnection, location: S3Location, asked: str, etag: str
    ) -> dict[str, Any]:
        """Return the range if the object still has the ETag; otherwise the whole object."""
        try:
            return self._get(connection, location, Range=asked, IfMatch=etag)
        except ObjectError as error:
            if error.status != 412:
                raise
        return self._get(connection, location)

    def _get(self, connection: AwsConnection, location: S3Location, **asked: str | None) -> dict[str, Any]:
        given = {name: value for name, value in asked.items() if value is not None}
        return self._call("get_object", connection, location, **given)

    def _call(
        self, operation: str, connection: AwsConnection, location: S3Location, **parameters: str
    ) -> dict[str, Any]:
        """Send a request to S3. If the credentials have expired, try once more with a new client."""

        def send() -> dict[str, Any]:
            client = self._clients.client(connection)
            answer: dict[str, Any] = getattr(client, operation)(
                Bucket=location.bucket, Key=location.key, **parameters
            )
            return answer

        with translated(location, connection):
            try:
                return send()
            except ClientError as error:
                if not _may_have_expired(error):
                    raise
            self._clients.forget(connection)
            try:
                return send()
            except ClientError as error:
                if _may_have_expired(error):
                    self._clients.forget(connection)
                raise


def _may_have_expired(error: ClientError) -> bool:
    # The response to HEAD has no body with an error code. S3 answers 400 if the credentials have expired.
    return is_about_credentials(error) or error_code(error) == "400"


def _no_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _damaged(location: S3Location, member: str) -> ObjectError:
    return ObjectError(
        502,
        f"{location.uri} is damaged: it must be JSON with a list of {member}. Run the task again to write it "
        "again.",
    )


@contextmanager
def translated(location: S3Location, connection: AwsConnection) -> Iterator[None]:
    """Translate errors of AWS into sentences for the listener.

    :param location: the object of the request
    :param connection: how the task reached AWS
    :raises ObjectError: the request failed
    """
    try:
        with translate_credentials_errors(f"reading {location.uri}", lambda: _named(connection)):
            yield
    except ClientError as error:
        raise _object_error(error, connection, location) from error
    except PollyError as error:
        raise ObjectError(502, str(error)) from error
    except BotoCoreError as error:
        raise ObjectError(
            502, f"The request to S3 for {location.uri} failed ({_named(connection)}): {error}"
        ) from error


def _named(connection: AwsConnection) -> str:
    return f"connection {connection.aws_conn_id!r:.300}"


def _object_error(error: ClientError, connection: AwsConnection, location: S3Location) -> ObjectError:
    status = http_status(error)
    if error.operation_name not in _OPERATIONS:
        return ObjectError(
            502,
            f"AWS rejected {error.operation_name} for the {_named(connection)}: {error} "
            "Correct the connection.",
        )
    if status == 412:
        return ObjectError(412, f"{location.uri} has changed. Reload the page.")
    if error_code(error) == "InvalidRange" or status == 416:
        size = error.response.get("Error", {}).get("ActualObjectSize")
        headers = {"Content-Range": f"bytes */{size}"} if str(size).isdigit() else {}
        return ObjectError(416, "The range is outside the audio.", headers)
    if is_about_credentials(error):
        return ObjectError(502, f"AWS rejected the credentials of the {_named(connection)}. Renew them.")
    if status == 404:
        return ObjectError(404, f"{location.uri} does not exist. It may have been deleted or moved.")
    if status == 403:
        return ObjectError(
            403,
            f"S3 denies access to {location.uri}. Allow s3:GetObject on it (and kms:Decrypt if a KMS key "
            f"encrypts it) to the identity that the API server uses for the {_named(connection)}.",
        )
    return ObjectError(502, f"S3 rejected the request for {location.uri}: {error}")


def _audio(location: S3Location, answer: dict[str, Any]) -> Audio:
    headers = _audio_headers(location, answer)
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode") != 206:
        return Audio(200, headers, answer["Body"])
    content_range = answer.get("ContentRange")
    if not (isinstance(content_range, str) and is_content_range(content_range)):
        raise ObjectError(
            502,
            f"S3's response for {location.uri} is not valid: its Content-Range is {content_range!r:.100}.",
        )
    return Audio(206, headers | {"Content-Range": content_range}, answer["Body"])


def _audio_headers(location: S3Location, answer: dict[str, Any]) -> dict[str, str]:
    content_type = audio_type(location.key, answer.get("ContentType"))
    if content_type is None:
        raise ObjectError(
            404, f"{location.uri} is not audio: its content type in S3 is {answer.get('ContentType')!r:.100}."
        )
    headers = {
        "Content-Type": content_type,
        "Accept-Ranges": "bytes",
        # Without this header, the API server of Airflow 3.1 compresses audio. A range must stay as it is.
        "Content-Encoding": "identity",
    }
    if "ContentLength" in answer:
        headers["Content-Length"] = str(answer["ContentLength"])
    if "ETag" in answer:
        headers["ETag"] = answer["ETag"]
    return headers
