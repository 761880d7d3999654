"""How long a text may be, and how Polly counts it.

Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

MAX_BILLED_CHARACTERS = 100_000
"""Billed characters that one synthesis task may have (SSML tags are not billed)."""

MAX_TOTAL_CHARACTERS = 200_000
"""Characters that one synthesis task may have in all, SSML tags included."""

MAX_BILLED_SPEECH_CHARACTERS = 3_000
"""Billed characters that SynthesizeSpeech takes."""

MAX_TOTAL_SPEECH_CHARACTERS = 6_000
"""Characters that SynthesizeSpeech takes in all, SSML tags included."""

MAX_SPEECH_SECONDS = 10 * 60
"""Where the audio of SynthesizeSpeech is cut."""

# Only for what expat does not read to its end. No input makes this pattern scan a part twice: what never ends
# reaches to the end of the text, and quoted attribute values may hold ">", never "<".
_MARKUP_OR_ENTITY = re.compile(
    r"""<!--.*?(?:-->|\Z)
    |<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)
    |<\?.*?(?:\?>|\Z)
    |<!DOCTYPE[^\[>]*(?:\[.*?(?:\]\s*>|\Z)|>|\Z)\s*
    |<(?:"[^"<]*"|'[^'<]*'|[^'"<>])*>
    |(?P<entity>&(?:\#\d+|\#[xX][0-9a-fA-F]+|\w+);)""",
    re.DOTALL | re.VERBOSE,
)


def total_characters(text: str, *, ssml: bool) -> int:
    """Count the characters of a text, markup included, on the most lenient reading.

    :param text: the text or the SSML document
    :param ssml: whether ``text`` is SSML, where white space around the document does not count, and CRLF is
        one character
    """
    return len(_as_xml_is_read(text) if ssml else text)


def billed_characters(text: str, *, ssml: bool) -> int:
    """Count the characters that Polly bills, on the most lenient reading.

    A character is a Unicode code point (how Polly counts an emoji is undocumented). SSML is counted as an XML
    parser reads it: tags, comments and white space around the document are free; an entity is one character,
    and so is CRLF; the content of CDATA counts.

    :param text: the text or the SSML document
    :param ssml: whether ``text`` is SSML
    """
    if not ssml:
        return len(text)
    text = _as_xml_is_read(text)
    if (read := _characters_that_expat_reads(text)) is not None:
        return read
    free = 0
    for found in _MARKUP_OR_ENTITY.finditer(text):
        counted = 1 if found["entity"] else len(found["cdata"] or "")
        free += len(found[0]) - counted
    return len(text) - free


def _as_xml_is_read(document: str) -> str:
    # https://www.w3.org/TR/xml/#sec-line-ends
    return document.replace("\r\n", "\n").strip(" \t\r\n")


class _EntityDeclaredError(Exception):
    """Ends the count at the declaration of an entity: what it expands to can grow without bound."""


def _characters_that_expat_reads(document: str) -> int | None:
    """Return the number of characters in a document's elements; None if it is not well-formed."""
    counted = 0

    def count(data: str) -> None:
        nonlocal counted
        counted += len(data)

    def end_at_entity(*_: Any) -> None:
        raise _EntityDeclaredError

    # The text is a string already: ignore the encoding that it declares.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = count
    parser.EntityDeclHandler = end_at_entity
    try:
        parser.Parse(document.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, _EntityDeclaredError):
        return None
    return counted
