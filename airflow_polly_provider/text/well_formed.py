"""Whether SSML is well-formed XML 1.0, so that a slip is found before anything is sent.

Read by the standard library's expat. Whatever an XML parser takes passes: which tags there are is Polly's to
check.

Source: https://www.w3.org/TR/xml/
"""

from __future__ import annotations

from xml.parsers import expat

from airflow_polly_provider.exceptions import PollyInvalidRequestError

_ENTITY_DECLARATION = "<!ENTITY"


def validate_well_formed(ssml: str) -> None:
    """Refuse SSML that no XML parser can read.

    SSML that declares entities of its own is left to Polly: to read it means to expand them, however much
    they grow.

    :param ssml: the document; the error does not quote it
    :raises PollyInvalidRequestError: it is not well-formed; the error names line and column
    """
    if _ENTITY_DECLARATION in ssml:
        return
    # Without namespaces: Polly's own amazon: tags come with no declaration of their prefix. The text is a
    # string already: an encoding that it declares is none of its own any more.
    parser = expat.ParserCreate("utf-8")
    try:
        parser.Parse(ssml.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise PollyInvalidRequestError(
            f"The SSML in text is not well-formed XML: {expat.ErrorString(error.code)} at line "
            f"{error.lineno}, column {error.offset + 1}. Nothing was sent. Enclose the document in "
            "<speak>…</speak>, write &amp; for & and &lt; for < in what is spoken, put attribute values in "
            "quotes, and close each tag. ssml.speak (in a template macros.polly.speak) does all of this."
        ) from error
