"""Translates errors of S3 into errors that say what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.errors import http_status, translate_aws_errors
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyOutputObjectError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.hooks.polly import PollyHook

_JOINING_ACTIONS = (
    "s3:GetObject on the pieces and on output_s3_key, s3:PutObject on output_s3_key and on the keys that "
    "begin with it and, if a KMS key encrypts the bucket, kms:Decrypt and kms:GenerateDataKey on that key"
)


@contextmanager
def translate_head_errors(hook: PollyHook, output: S3Location) -> Iterator[None]:
    """Translate errors about the metadata of the existing file.

    :param hook: the hook, whose connection is named in the error
    :param output: the place of the file
    :raises PollyConfigurationError: S3 denies access
    :raises PollyOutputObjectError: S3 failed to return the metadata
    """
    with translate_aws_errors(hook, "s3:GetObject"):
        try:
            yield
        except ClientError as error:
            if http_status(error) != 403:
                raise PollyOutputObjectError(
                    f"Cannot check whether {output.uri} already exists, so nothing was sent to Polly: {error}"
                ) from error
            raise PollyConfigurationError(
                f"AWS denied access to {output.uri}, so nothing was sent to Polly. Allow s3:GetObject on it, "
                "and s3:ListBucket on the bucket (without it, S3 reports a missing object as forbidden), to "
                f"the identity that was used ({hook.describe_connection()})."
            ) from error


@contextmanager
def translate_joining_errors(hook: PollyHook, output: S3Location) -> Iterator[None]:
    """Translate errors of the requests that join the pieces.

    :param hook: the hook, whose connection is named in the error
    :param output: the place of the file
    :raises PollyOutputObjectError: S3 rejected a request or did not respond
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise PollyOutputObjectError(
            f"All pieces are synthesized, but joining them to {output.uri} failed: "
            f"{_described(error, hook)} The next try, or the task after it is cleared, joins them and pays "
            "nothing."
        ) from error


@contextmanager
def translate_caption_errors(hook: PollyHook, output: S3Location) -> Iterator[None]:
    """Translate errors of the requests that write the captions of a complete file.

    :param hook: the hook, whose connection is named in the error
    :param output: the place of the file
    :raises PollyOutputObjectError: S3 rejected a request or did not respond
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise PollyOutputObjectError(
            f"{output.uri} is complete, but writing its captions failed: {_described(error, hook)} The next "
            "try, or the task after it is cleared, writes them and pays nothing."
        ) from error


def _described(error: Exception, hook: PollyHook) -> str:
    if not isinstance(error, ClientError) or http_status(error) != 403:
        return f"{error}."
    return f"{error}. Allow {_JOINING_ACTIONS} to the identity that was used ({hook.describe_connection()})."
