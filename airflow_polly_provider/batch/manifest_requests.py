"""The S3 requests of a manifest, with errors that say what to do."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    ParamValidationError,
)

from airflow_polly_provider.aws.errors import (
    error_code,
    http_status,
    is_about_credentials,
    is_service_failure,
    is_throttling,
    translate_credentials_errors,
    translate_s3_errors,
)
from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.exceptions import (
    PollyCredentialsError,
    PollyError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_OBJECT_BYTES = 64 * 1024 * 1024
"""Maximum size of an object of a manifest. 10,000 items have about 4 MB."""

_GET = (
    "s3:GetObject on it, and s3:ListBucket on the bucket (without it, S3 reports a missing object as "
    "forbidden),"
)


class ManifestObject(NamedTuple):
    """An object that was read from S3."""

    content: bytes
    etag: str


class ConditionError(Exception):
    """S3 rejected a conditional request: the object is not the expected one, or is being written."""


def is_no_answer(error: Exception) -> bool:
    """Return whether it is unknown if S3 performed a request: it did not respond, or it failed.

    :param error: the error of the request
    """
    if isinstance(error, ClientError):
        return is_service_failure(error) or is_throttling(error)
    return isinstance(error, ConnectionError | HTTPClientError | PollyIncompleteAnswerError)


class ManifestRequests:
    """Reads and writes the objects of a manifest in one bucket.

    Throttling, 5xx responses, time-outs and connection errors are raised unchanged.

    :param client: returns boto3's S3 client
    :param bucket: the bucket
    """

    def __init__(self, client: Callable[[], Any], bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self, key: str, *, etag: str | None = None) -> ManifestObject | None:
        """Return an object, or None if it does not exist.

        :param key: the object's key
        :param etag: the ETag that the object must have
        :raises ConditionError: the object has another ETag
        """
        uri = S3Location(self._bucket, key).uri
        condition = {} if etag is None else {"IfMatch": etag}
        with self._translate(f"Cannot read {uri}", f"Allow {_GET}"):
            try:
                answer = self._client().get_object(Bucket=self._bucket, Key=key, **condition)
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
            with closing(answer["Body"]) as body:
                if answer.get("ContentLength", 0) > MAX_OBJECT_BYTES:
                    raise PollyInvalidRequestError(
                        f"{uri} has {answer['ContentLength']:,} bytes, too many for a manifest (at most "
                        f"{MAX_OBJECT_BYTES:,}). Choose another manifest_s3_key, or delete the object."
                    )
                content: bytes = body.read()
        if "ETag" not in answer:
            raise PollyIncompleteAnswerError(
                f"The response to the request for {uri} has no ETag. A proxy may have sent it instead of S3."
            )
        return ManifestObject(content, answer["ETag"])

    def put(self, key: str, content: bytes, **condition: str) -> str:
        """Write an object and return its ETag.

        :param key: the object's key
        :param content: the object's content, JSON
        :param condition: ``IfMatch`` or ``IfNoneMatch``
        :raises ConditionError: the condition is not met
        """
        uri = S3Location(self._bucket, key).uri
        denied = "Allow s3:PutObject on it (and kms:GenerateDataKey if a KMS key encrypts the bucket)"
        with self._translate(f"Cannot write {uri}", denied):
            try:
                answer = self._client().put_object(
                    Bucket=self._bucket, Key=key, Body=content, ContentType="application/json", **condition
                )
            except ClientError as error:
                if error_code(error) == "NoSuchKey":  # with IfMatch: the object was deleted
                    raise ConditionError(str(error)) from error
                raise
        if "ETag" not in answer:
            raise PollyIncompleteAnswerError(
                f"The response to the request to write {uri} has no ETag. A proxy may have sent it instead "
                "of S3."
            )
        etag: str = answer["ETag"]
        return etag

    def delete(self, key: str) -> None:
        """Delete an object.

        :param key: the object's key
        """
        uri = S3Location(self._bucket, key).uri
        with self._translate(f"Cannot delete {uri}", "Allow s3:DeleteObject on it"):
            self._client().delete_object(Bucket=self._bucket, Key=key)

    @contextmanager
    def _translate(self, failure: str, remedy: str) -> Iterator[None]:
        try:
            with (
                translate_credentials_errors("S3", lambda: failure),
                translate_s3_errors(
                    missing=f"{failure}. Correct the bucket",
                    denied=f"{failure}, a manifest. {remedy} to the identity of aws_conn_id",
                ),
            ):
                yield
        except ClientError as error:
            if http_status(error) in {409, 412}:
                raise ConditionError(str(error)) from error
            if is_about_credentials(error):
                raise PollyCredentialsError(
                    f"{failure}: AWS rejected the credentials of aws_conn_id. Renew or correct them: {error}"
                ) from error
            if is_no_answer(error):
                raise
            raise PollyError(f"{failure}: {error}") from error
        except ParamValidationError as error:
            raise PollyInvalidRequestError(f"{failure}: {error}") from error
        except BotoCoreError as error:
            if is_no_answer(error):
                raise
            raise PollyIncompleteAnswerError(f"{failure}: {error}") from error
