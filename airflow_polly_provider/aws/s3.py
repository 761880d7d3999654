"""Places in S3: a bucket and a key, and the texts that name them (``OutputUri``, paths, keys)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_KEY_BYTES = 1024
"""UTF-8 bytes that an S3 key may have.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

_S3_SCHEME = re.compile(r"s3[an]?:")
_S3_PATH = re.compile(r"s3[an]?://(?:(?P<connection>[^@/]*)@)?(?P<bucket>[^/]+)/(?P<key>.+)", re.DOTALL)


class S3Location(NamedTuple):
    """A place in S3."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


_REGION = r"[a-z]+(?:-[a-z]+)+-\d+"

_VIRTUAL_HOST = re.compile(rf"^(?P<bucket>.+)\.s3(?:\.amazonaws\.com$|[.-](?:dualstack\.)?{_REGION}\.)")


def parse_output_uri(output_uri: str) -> S3Location:
    """Tell where in S3 an ``OutputUri`` points.

    Polly documents ``https://s3.<region>.amazonaws.com/<bucket>/<key>``; the virtual-host form
    (``https://<bucket>.s3.<region>.amazonaws.com/<key>``) and ``s3://`` are read as well. The key is all
    that follows the bucket, taken literally: Polly allows ``?``, ``&`` and ``+`` in a prefix.

    :param output_uri: ``OutputUri`` of a SynthesisTask
    :raises ValueError: when there is no bucket or no key in it
    """
    # A "?" or "#" belongs to the key, so only scheme and host are left to urlsplit.
    scheme, separator, rest = output_uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        bucket, key = host, path
    elif virtual := _VIRTUAL_HOST.match(urlsplit(f"//{host}").hostname or ""):
        bucket, key = virtual["bucket"], path
    else:
        bucket, _, key = path.partition("/")
    if not (separator and bucket and key):
        raise ValueError(f"OutputUri {output_uri!r} names no S3 bucket and key")
    return S3Location(bucket, key)


class S3Path(NamedTuple):
    """An object in S3, and what an S3Hook for it is made with."""

    location: S3Location
    hook_parameters: dict[str, Any]


def s3_path(path: object, hook_parameters: Mapping[str, Any], *, parameter: str) -> S3Path | None:
    """Return the object in S3 that a path names, or None where it names something else.

    Airflow's own file system for S3 needs s3fs, which pins an old boto3; an S3Hook needs nothing.

    :param path: such as ``s3://bucket/key``, or ``s3://connection@bucket/key`` for another connection
    :param hook_parameters: of the operator's own connection
    :param parameter: the operator's parameter, for the error's words
    :raises PollyInvalidRequestError: it is a path of S3 without bucket or key
    """
    text = str(path)
    if not _S3_SCHEME.match(text):
        return None
    found = _S3_PATH.fullmatch(text)
    if found is None:
        raise PollyInvalidRequestError(
            f"{parameter} {text!r:.200} names no bucket and key: give s3://bucket/key."
        )
    parameters = dict(hook_parameters)
    if found["connection"]:
        # The region of the operator is its own connection's.
        parameters |= {"aws_conn_id": found["connection"], "region_name": None}
    return S3Path(S3Location(found["bucket"], found["key"]), parameters)


def validate_key(key: str, *, parameter: str) -> str:
    """Return an object's key if one can be put there.

    :param key: the rendered value, a string
    :param parameter: what it is or lies in, for the error's words
    :raises PollyInvalidRequestError: empty, a folder, too long, or a URI
    """
    if not key.strip():
        raise PollyInvalidRequestError(f"{parameter} is empty. Look at its rendered template.")
    if key.startswith("s3://"):
        raise PollyInvalidRequestError(
            f"{parameter} {key!r:.100} is a URI; give the key alone, without s3:// and without the bucket, "
            "which is output_s3_bucket_name."
        )
    if key.endswith("/"):
        raise PollyInvalidRequestError(
            f"{parameter} {key!r:.100} names a folder; give the object's whole key, such as "
            "audio/alice.mp3. Look at its rendered template."
        )
    if (length := len(key.encode(errors="surrogatepass"))) > MAX_KEY_BYTES:
        raise PollyInvalidRequestError(
            f"{parameter} has {length:,} bytes in UTF-8; S3 takes {MAX_KEY_BYTES:,}."
        )
    return key
