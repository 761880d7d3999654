"""A file that lies in S3 or wherever Airflow's object storage reaches, read as text."""

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

_MOST_BYTES_PER_CHARACTER = 4


def text_from_storage(
    path: str | ObjectStoragePath, hook_parameters: Mapping[str, Any], *, parameter: str, max_characters: int
) -> str:
    """Return the content of a UTF-8 file, as it stands.

    :param path: ``s3://bucket/key``, read with the operator's own connection, or
        ``s3://connection@bucket/key``; anything else (``file://…``, a path on the worker) is read by
        Airflow's object storage
    :param hook_parameters: the operator's AWS connection settings
    :param parameter: the operator's parameter, for the error's words
    :param max_characters: a file that must be longer is not read to its end
    :raises PollyInvalidRequestError: it is no path, there is no such file, it is too long, or not UTF-8
    :raises PollyConfigurationError: reading it is denied
    """
    path = validate_path(path, parameter)
    max_bytes = max_characters * _MOST_BYTES_PER_CHARACTER
    if (found := s3_path(path, hook_parameters, parameter=parameter)) is not None:
        data = _from_s3(found, max_bytes + 1)
    else:
        data = _from_object_storage(path, max_bytes + 1)
    if len(data) > max_bytes:
        raise PollyInvalidRequestError(
            f"{path} is longer than {max_bytes:,} bytes, so has more than the {max_characters:,} characters "
            "that Polly takes."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PollyInvalidRequestError(f"{path} is not UTF-8: {error}. Store it as UTF-8.") from error


def _from_s3(path: S3Path, max_bytes: int) -> bytes:
    # Needed by few runs, and slow to import for every parse of a DAG file.
    from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

    uri = path.location.uri
    with translate_s3_errors(
        missing=f"There is no {uri} for the worker to read",
        denied=f"AWS denied reading {uri}. Allow s3:GetObject on it, and s3:ListBucket on the bucket, "
        "without which S3 calls a missing object denied",
    ):
        client: Any = NamedConnectionS3Hook(**path.hook_parameters).conn
        body = client.get_object(Bucket=path.location.bucket, Key=path.location.key)["Body"]
    with body:
        data: bytes = body.read(max_bytes)
    return data


def _from_object_storage(path: str | ObjectStoragePath, max_bytes: int) -> bytes:
    try:
        with (ObjectStoragePath(path) if isinstance(path, str) else path).open("rb") as file:
            data: bytes = file.read(max_bytes)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise PollyInvalidRequestError(f"There is no {path} for the worker to read: {error}") from error
    except PermissionError as error:
        raise PollyConfigurationError(
            f"The worker is denied reading {path}: {error}. Let it read the file, and search its folders."
        ) from error
    return data
