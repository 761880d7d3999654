"""Polly's pronunciation lexicons: their names, when two are the same, and their form in XCom.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
"""

from __future__ import annotations

import functools
import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import botocore.session

from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping


class LexiconXCom(TypedDict):
    """What the put operator pushes as ``return_value``.

    The names from ``Alphabet`` on are AWS's own; they are absent while GetLexicon does not show the lexicon.
    """

    Name: str
    ContentDigest: str
    """SHA-256 of the content, as 64 hexadecimal digits; line ends make no difference."""
    Put: bool
    """False where the stored lexicon was the same already."""
    Alphabet: NotRequired[str]
    LanguageCode: NotRequired[str]
    LastModified: NotRequired[str]
    """ISO 8601, with its offset from UTC."""
    LexemesCount: NotRequired[int]
    LexiconArn: NotRequired[str]
    Size: NotRequired[int]
    """As Polly counts it, in characters."""


class DeletedLexiconXCom(TypedDict):
    """What the delete operator pushes as ``return_value``."""

    Name: str
    Deleted: bool
    """False where there was none, and ``ignore_if_missing`` was set."""


@functools.cache
def _name_pattern() -> str:
    """Return what a lexicon's name must match, from botocore's service model."""
    model = botocore.session.get_session().get_service_model("polly")
    shape: Any = model.shape_for("PutLexiconInput")
    pattern: str = shape.members["Name"].metadata["pattern"]
    return pattern


def checked_lexicon_name(name: object) -> str:
    """Return a lexicon's name if Polly can take it.

    :param name: the rendered value of the operator's ``name``
    :raises PollyInvalidRequestError: when it is none
    """
    if not isinstance(name, str) or not re.fullmatch(_name_pattern(), name):
        raise PollyInvalidRequestError(
            f"name {name!r:.100} is refused by Polly: it must be 1 to 20 letters and digits (A-Z a-z 0-9)."
        )
    return name


def content_digest(content: str) -> str:
    """Return the SHA-256 of a lexicon's content, as 64 hexadecimal digits.

    Line ends, and white space around the document, make no difference.

    :param content: the PLS document
    """
    return hashlib.sha256(content.replace("\r\n", "\n").strip().encode()).hexdigest()


def to_xcom_value(name: str, content: str, *, put: bool, attributes: Mapping[str, Any] | None) -> LexiconXCom:
    """Return what the put operator pushes.

    :param name: the lexicon's name
    :param content: the PLS document
    :param put: whether it was sent
    :param attributes: LexiconAttributes as boto3 returns them; None where GetLexicon does not show them yet
    """
    told = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in (attributes or {}).items()
    }
    return cast("LexiconXCom", {"Name": name, "ContentDigest": content_digest(content), "Put": put, **told})
