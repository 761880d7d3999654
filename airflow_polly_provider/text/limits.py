"""The length limits of a text, and the count of its total and billed characters.

Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

MAX_BILLED_CHARACTERS = 100_000
"""Maximum number of billed characters in one synthesis task (SSML tags are not billed)."""

MAX_TOTAL_CHARACTERS = 200_000
"""Maximum total number of characters in one synthesis task, including SSML tags."""

MAX_BILLED_SPEECH_CHARACTERS = 3_000
"""Maximum number of billed characters in one SynthesizeSpeech request."""

MAX_TOTAL_SPEECH_CHARACTERS = 6_000
"""Maximum total number of characters in one SynthesizeSpeech request, including SSML tags."""

MAX_SPEECH_SECONDS = 10 * 60
"""Length in seconds at which Polly cuts the audio of SynthesizeSpeech."""

# Used only for documents that expat does not parse to the end. Two rules prevent a second scan of any part of
# the text: markup without an end extends to the end of the text, and a quoted attribute value may contain
# ">", but not "<".
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
    """Return the total number of characters of a text, including markup.

    Where AWS does not document how characters are counted, the result is the lowest possible count.

    :param text: the text or the SSML document
    :param ssml: whether ``text`` is SSML. In SSML, white space around the document is not counted, and CRLF
        is one character
    """
    return len(_as_xml_is_read(text) if ssml else text)


def billed_characters(text: str, *, ssml: bool) -> int:
    """Return the number of characters that Polly bills for a text.

    Where AWS does not document how characters are counted, the result is the lowest possible count. A
    character is a Unicode code point (how Polly counts an emoji is undocumented). SSML is counted as an XML
    parser reads it: tags, comments and white space around the document are not counted. An entity is one
    character, and CRLF is one character. The content of CDATA is counted.

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
    """Stops the parser at the declaration of an entity, whose expansion could be arbitrarily large."""


def _characters_that_expat_reads(document: str) -> int | None:
    """Return the number of characters in a document's elements, or None if expat stops early.

    It stops early if the document is not well-formed or declares an entity.
    """
    counted = 0

    def count(data: str) -> None:
        nonlocal counted
        counted += len(data)

    def end_at_entity(*_: Any) -> None:
        raise _EntityDeclaredError

    # The text is already decoded: ignore the encoding in its XML declaration.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = count
    parser.EntityDeclHandler = end_at_entity
    try:
        parser.Parse(document.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, _EntityDeclaredError):
        return None
    return counted
