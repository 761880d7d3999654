"""S3's naming rules for buckets."""

from __future__ import annotations

import re

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_FORM = re.compile(r"[0-9a-z][.\-0-9a-z]{1,61}[0-9a-z]")
_RESERVED = re.compile(
    r"\d+\.\d+\.\d+\.\d+|.*\.\..*|(?:xn--|sthree-).*|.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)"
)


def is_bucket_name(name: str) -> bool:
    """Return whether S3 accepts a bucket name.

    :param name: the bucket name.
    """
    return _FORM.fullmatch(name) is not None and _RESERVED.fullmatch(name) is None
