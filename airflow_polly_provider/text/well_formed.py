"""Check that SSML is well-formed XML 1.0, before anything is sent.

The check uses expat, from the standard library, and accepts all SSML that expat can parse. Polly checks the
tags. expat follows the fourth edition of XML 1.0 for names; the fifth edition allows more names.

Source: https://www.w3.org/TR/xml/
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from airflow_polly_provider.exceptions import PollyInvalidRequestError

_ADVICE = (
    "Enclose the document in <speak>…</speak>, write &amp; for & and &lt; for < in the spoken text, put "
    "attribute values in quotes, and close each tag. ssml.speak (macros.polly.speak in templates) does all "
    "of this."
)
_MISPLACED_DECLARATION = expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI]
_ADVICE_ON_DECLARATION = (
    "The XML declaration (<?xml …?>) must be at the very start. Remove everything before it, including white "
    "space."
)


class _EntityDeclaredError(Exception):
    """Stops the parser at the declaration of an entity."""


def validate_well_formed(ssml: str) -> None:
    """Raise an error if SSML is not well-formed.

    If the document declares an entity, the check ends at the declaration, without an error, and Polly checks
    the rest. Parsing the rest would expand the entities, and the expansion can be arbitrarily large.

    :param ssml: the document; the error does not quote it
    :raises PollyInvalidRequestError: the document is not well-formed; the error contains the line and column
    """
    # Namespaces are off, because the prefix of Polly's amazon: tags is not declared. The text is already
    # decoded: ignore the encoding in its XML declaration.
    parser = expat.ParserCreate("utf-8")
    parser.EntityDeclHandler = _end_at_entity
    try:
        parser.Parse(ssml.encode("utf-8", "surrogatepass"), True)
    except _EntityDeclaredError:
        return
    except expat.ExpatError as error:
        advice = _ADVICE_ON_DECLARATION if error.code == _MISPLACED_DECLARATION else _ADVICE
        raise PollyInvalidRequestError(
            f"The SSML in text is not well-formed XML: {expat.ErrorString(error.code)} at line "
            f"{error.lineno}, column {error.offset + 1}. Nothing was sent. {advice}"
        ) from error


def _end_at_entity(*_: Any) -> None:
    raise _EntityDeclaredError
