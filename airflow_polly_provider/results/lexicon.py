"""What the lexicon operators hand to later tasks.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from airflow_polly_provider.request.lexicon import content_digest

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
