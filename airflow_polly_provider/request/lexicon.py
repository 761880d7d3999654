"""Polly's pronunciation lexicons: their names, and when two are the same."""

from __future__ import annotations

import hashlib
import re

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.native import validate_string_or_integer


def validate_lexicon_name(name: object) -> str:
    """Return a lexicon's name if Polly can take it.

    :param name: the rendered value of the operator's ``name``
    :raises PollyInvalidRequestError: when it is none
    """
    pattern = polly_shape("PutLexiconInput").members["Name"].metadata["pattern"]
    valid = validate_string_or_integer(name, "name")
    if not re.fullmatch(pattern, valid):
        raise PollyInvalidRequestError(
            f"name {valid!r:.100} is refused by Polly: it must be 1 to 20 letters and digits (A-Z a-z 0-9)."
        )
    return valid


def content_digest(content: str) -> str:
    """Return the SHA-256 of a lexicon's content, as 64 hexadecimal digits.

    Line ends, and white space around the document, make no difference.

    :param content: the PLS document
    """
    return hashlib.sha256(content.replace("\r\n", "\n").strip().encode()).hexdigest()
