"""Pronunciation lexicons: validation of names, and comparison of contents."""

from __future__ import annotations

import hashlib
import re

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.native import validate_string_or_integer


def validate_lexicon_name(name: object) -> str:
    """Return a lexicon's name after checking it.

    :param name: the rendered value of the operator's ``name``
    :raises PollyInvalidRequestError: the name does not consist of 1 to 20 letters and digits
    """
    pattern = polly_shape("PutLexiconInput").members["Name"].metadata["pattern"]
    valid = validate_string_or_integer(name, "name")
    if not re.fullmatch(pattern, valid):
        raise PollyInvalidRequestError(
            f"Invalid name {valid!r:.100}: it must be 1 to 20 letters and digits (A-Z a-z 0-9)."
        )
    return valid


def content_digest(content: str) -> str:
    """Return the SHA-256 hash of a lexicon's content, as 64 hexadecimal digits.

    Line endings (CRLF or LF) and white space around the document do not affect the hash.

    :param content: the PLS document
    """
    return hashlib.sha256(content.replace("\r\n", "\n").strip().encode()).hexdigest()
