"""The XCom values of the lexicon operators.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_LexiconAttributes.html
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from airflow_polly_provider.request.lexicon import content_digest

if TYPE_CHECKING:
    from collections.abc import Mapping


class LexiconXCom(TypedDict):
    """The ``return_value`` of the put operator.

    ``Alphabet`` and the fields after it have AWS's own names. They are absent if GetLexicon does not return
    the lexicon yet.
    """

    Name: str
    ContentDigest: str
    """SHA-256 of the content, as 64 hexadecimal digits. Different line endings give the same digest."""
    Put: bool
    """False if the stored lexicon already had the same content."""
    Alphabet: NotRequired[str]
    LanguageCode: NotRequired[str]
    LastModified: NotRequired[str]
    """ISO 8601, with its offset from UTC."""
    LexemesCount: NotRequired[int]
    LexiconArn: NotRequired[str]
    Size: NotRequired[int]
    """The size that Polly reports, in characters."""


class DeletedLexiconXCom(TypedDict):
    """The ``return_value`` of the delete operator."""

    Name: str
    Deleted: bool
    """False if the lexicon did not exist and ``ignore_if_missing`` was set."""


def to_xcom_value(name: str, content: str, *, put: bool, attributes: Mapping[str, Any] | None) -> LexiconXCom:
    """Return the ``return_value`` of the put operator.

    :param name: the lexicon's name
    :param content: the PLS document
    :param put: whether the document was sent
    :param attributes: LexiconAttributes as boto3 returns them; None if GetLexicon does not return the
        lexicon yet
    """
    shown = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in (attributes or {}).items()
    }
    return cast("LexiconXCom", {"Name": name, "ContentDigest": content_digest(content), "Put": put, **shown})
