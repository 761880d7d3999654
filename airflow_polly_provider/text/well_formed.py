"""Whether SSML is well-formed XML 1.0, to find mistakes before anything is sent.

Read by the standard library's expat: what expat reads passes. Polly itself checks the tags. Expat knows the
names of XML 1.0's fourth edition; the fifth allows more.

Source: https://www.w3.org/TR/xml/
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from airflow_polly_provider.exceptions import PollyInvalidRequestError

_ADVICE = (
    "Enclose the document in <speak>…</speak>, write &amp; for & and &lt; for < in what is spoken, put "
    "attribute values in quotes, and close each tag. ssml.speak (in a template macros.polly.speak) does all "
    "of this."
)
_MISPLACED_DECLARATION = expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI]
_ADVICE_ON_DECLARATION = (
    "The XML declaration (<?xml …?>) must be at the very start: remove what is before it, also white space."
)


class _EntityDeclaredError(Exception):
    """Ends the check at the declaration of an entity."""


def validate_well_formed(ssml: str) -> None:
    """Refuse SSML that expat cannot read.

    The check ends where the document declares an entity, and the rest is left to Polly: to read it means to
    expand its entities, however much they grow.

    :param ssml: the document; the error does not quote it
    :raises PollyInvalidRequestError: it is not well-formed; the error names line and column
    """
    # Without namespaces: Polly's own amazon: tags come with no declaration of their prefix. The text is a
    # string already: ignore the encoding that it declares.
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
