"""How long a text may be, and how Polly counts it.

Source: https://docs.aws.amazon.com/polly/latest/dg/limits.html
"""

from __future__ import annotations

import re

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

# No input makes this pattern scan a part twice: a comment that never ends reaches to the end of the text,
# and quoted attribute values may hold ">", never "<".
_SSML_MARKUP = re.compile(r"""<!--.*?(?:-->|\Z)|<(?:"[^"<]*"|'[^'<]*'|[^'"<>])*>""", re.DOTALL)
_XML_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")


def billed_characters(text: str, *, ssml: bool) -> int:
    """Count the characters that Polly bills, on the most lenient reading.

    A character is a Unicode code point (how Polly counts an emoji is undocumented); SSML tags and comments
    are free; an XML entity is one character.

    :param text: the text or the SSML document
    :param ssml: whether ``text`` is SSML
    """
    if not ssml:
        return len(text)
    return len(_XML_ENTITY.sub("&", _SSML_MARKUP.sub("", text)))
