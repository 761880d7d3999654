"""S3 locations (bucket and key), and the strings that name them (``OutputUri``, paths, keys)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_KEY_BYTES = 1024
"""Maximum length of an S3 key in UTF-8 bytes.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

_S3_SCHEME = re.compile(r"s3[an]?:")
_S3_PATH = re.compile(r"s3[an]?://(?:(?P<connection>[^@/]*)@)?(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)


class S3Location(NamedTuple):
    """The bucket and key of an S3 object."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


_REGION = r"[a-z]+(?:-[a-z]+)+-\d+"

_VIRTUAL_HOST = re.compile(rf"^(?P<bucket>.+)\.s3(?:\.amazonaws\.com$|[.-](?:dualstack\.)?{_REGION}\.)")


def parse_output_uri(output_uri: str) -> S3Location:
    """Return the S3 location that an ``OutputUri`` names.

    Polly documents ``https://s3.<region>.amazonaws.com/<bucket>/<key>``; the virtual-host form
    (``https://<bucket>.s3.<region>.amazonaws.com/<key>``) and ``s3://`` are accepted too. The key is
    everything after the bucket, unchanged, because Polly allows ``?``, ``&`` and ``+`` in a prefix.

    :param output_uri: ``OutputUri`` of a SynthesisTask
    :raises ValueError: the bucket or the key is missing
    """
    # Only the host is parsed with urlsplit, because "?" and "#" belong to the key.
    scheme, separator, rest = output_uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        bucket, key = host, path
    elif virtual := _VIRTUAL_HOST.match(urlsplit(f"//{host}").hostname or ""):
        bucket, key = virtual["bucket"], path
    else:
        bucket, _, key = path.partition("/")
    if not (separator and bucket and key):
        raise ValueError(f"OutputUri {output_uri!r} does not name an S3 bucket and key")
    return S3Location(bucket, key)


class S3Path(NamedTuple):
    """An S3 object, and the parameters of an S3Hook that can access it."""

    location: S3Location
    hook_parameters: dict[str, Any]


def s3_path(path: object, hook_parameters: Mapping[str, Any], *, parameter: str) -> S3Path | None:
    """Return the S3 object that a path names, or None if it is not an S3 path.

    Airflow's own file system for S3 needs s3fs, which pins an old boto3; an S3Hook needs no other package.

    :param path: a path such as ``s3://bucket/key``, or ``s3://connection@bucket/key`` for another connection
    :param hook_parameters: the hook parameters of the operator's own connection
    :param parameter: the operator's parameter that the error names
    :raises PollyInvalidRequestError: the S3 path has no bucket or no key
    """
    text = str(path)
    if not _S3_SCHEME.match(text):
        return None
    found = _S3_PATH.fullmatch(text)
    if found is None:
        raise PollyInvalidRequestError(
            f"{parameter} {text!r:.200} must have a bucket and a key: give s3://bucket/key."
        )
    parameters = dict(hook_parameters)
    if found["connection"]:
        # The operator's region_name applies only to the operator's own connection.
        parameters |= {"aws_conn_id": found["connection"], "region_name": None}
    return S3Path(S3Location(found["bucket"], found["key"]), parameters)


def validate_key(key: str, *, parameter: str) -> str:
    """Return an object key after checking it.

    :param key: the rendered value, a string
    :param parameter: the parameter that the error names
    :raises PollyInvalidRequestError: the key is empty, a folder, too long, or a URI
    """
    if not key.strip():
        raise PollyInvalidRequestError(f"{parameter} is empty. Look at its rendered template.")
    if key.startswith("s3://"):
        raise PollyInvalidRequestError(
            f"{parameter} {key!r:.100} is a URI; give the key alone, without s3:// and without the bucket. "
            "Set the bucket in output_s3_bucket_name."
        )
    if key.endswith("/"):
        raise PollyInvalidRequestError(
            f"{parameter} {key!r:.100} is a folder; give the object's whole key, such as "
            "audio/alice.mp3. Look at its rendered template."
        )
    if (length := len(key.encode(errors="surrogatepass"))) > MAX_KEY_BYTES:
        raise PollyInvalidRequestError(
            f"{parameter} has {length:,} bytes in UTF-8; S3 accepts at most {MAX_KEY_BYTES:,}. Shorten it."
        )
    return key
