"""Reads a text file from S3, or from any file system that Airflow's object storage supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.errors import translate_s3_errors
from airflow_polly_provider.aws.s3 import s3_path
from airflow_polly_provider.compat import ObjectStoragePath
from airflow_polly_provider.exceptions import PollyConfigurationError, PollyInvalidRequestError
from airflow_polly_provider.request.native import validate_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.aws.s3 import S3Path

_MAX_BYTES_PER_CHARACTER = 4


def text_from_storage(
    path: str | ObjectStoragePath, hook_parameters: Mapping[str, Any], *, parameter: str, max_characters: int
) -> str:
    """Return the content of a UTF-8 file, without a byte order mark and otherwise unchanged.

    :param path: ``s3://bucket/key``, read with the operator's connection, or ``s3://connection@bucket/key``,
        read with the connection in the path. Any other path, such as ``file://…`` or a path on the worker, is
        read with Airflow's object storage
    :param hook_parameters: the operator's AWS connection settings
    :param parameter: name of the operator's parameter, for error messages
    :param max_characters: maximum number of characters. The function reads at most 4 bytes for each of them,
        plus 1 byte
    :raises PollyInvalidRequestError: the value is not a path, or the file does not exist, is too long or is
        not UTF-8
    :raises PollyConfigurationError: access to the file is denied
    """
    data = bytes_from_storage(
        path,
        hook_parameters,
        parameter=parameter,
        max_bytes=max_characters * _MAX_BYTES_PER_CHARACTER,
        when_too_long=f", so it has more than the {max_characters:,} characters that Polly accepts.",
    )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PollyInvalidRequestError(f"{path} is not UTF-8: {error}. Store it as UTF-8.") from error


def bytes_from_storage(
    path: str | ObjectStoragePath,
    hook_parameters: Mapping[str, Any],
    *,
    parameter: str,
    max_bytes: int,
    when_too_long: str,
) -> bytes:
    """Return the content of a file.

    :param path: the path, as for :func:`text_from_storage`
    :param hook_parameters: the operator's AWS connection settings
    :param parameter: name of the operator's parameter, for error messages
    :param max_bytes: maximum length of the file in bytes. The function reads at most one byte more
    :param when_too_long: end of the error message about a longer file
    :raises PollyInvalidRequestError: the value is not a path, or the file does not exist or is too long
    :raises PollyConfigurationError: access to the file is denied
    """
    path = validate_path(path, parameter)
    if (found := s3_path(path, hook_parameters, parameter=parameter)) is not None:
        data = _from_s3(found, max_bytes + 1)
    else:
        data = _from_object_storage(path, max_bytes + 1)
    if len(data) > max_bytes:
        raise PollyInvalidRequestError(f"{path} is longer than {max_bytes:,} bytes{when_too_long}")
    return data


def _from_s3(path: S3Path, max_bytes: int) -> bytes:
    # Imported here because the import is slow, and would slow down every parse of a DAG file.
    from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

    uri = path.location.uri
    with translate_s3_errors(
        missing=f"The worker cannot find {uri}",
        denied=f"AWS denied access to {uri}. Allow s3:GetObject on it, and s3:ListBucket on the bucket: "
        "without s3:ListBucket, S3 also reports a missing object as denied",
    ):
        client: Any = NamedConnectionS3Hook(**path.hook_parameters).conn
        body = client.get_object(Bucket=path.location.bucket, Key=path.location.key)["Body"]
    with body:
        data: bytes = body.read(max_bytes)
        if len(data) < max_bytes:
            # At the end, botocore compares the length with Content-Length: the connection may have been lost.
            body.read(1)
    return data


def _from_object_storage(path: str | ObjectStoragePath, max_bytes: int) -> bytes:
    try:
        with (ObjectStoragePath(path) if isinstance(path, str) else path).open("rb") as file:
            data: bytes = file.read(max_bytes)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise PollyInvalidRequestError(f"The worker cannot find {path}: {error}") from error
    except PermissionError as error:
        raise PollyConfigurationError(
            f"The worker is not allowed to read {path}: {error}. Give it read permission for the file and "
            "search permission for its folders."
        ) from error
    return data
