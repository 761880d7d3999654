"""The characters of a text: line ends, and characters that cannot be sent to Polly."""

from __future__ import annotations

import re

# Characters that XML 1.0 does not allow: https://www.w3.org/TR/xml/#charsets. Requests can contain them, but
# SSML cannot, and nobody can hear them.
_NOT_SENT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n|[\r\v\f]")
# Zero width space, word joiner, byte order mark and soft hyphen: str.strip() does not remove them.
_INVISIBLE = str.maketrans(dict.fromkeys("\u200b\u2060\ufeff\u00ad"))


def clean_text(text: str) -> str:
    """Return a text with line feeds as line ends, and without characters that SSML cannot contain.

    A vertical tab or a form feed, which ends a page, becomes a line end. Other control characters, halves of
    surrogate pairs and a byte order mark at the start are removed. Everything else is unchanged.

    :param text: the text, or the source of a marked-up text
    """
    return _NOT_SENT.sub("", _LINE_END.sub("\n", text.removeprefix("\ufeff")))


def has_speech(text: str) -> bool:
    """Return whether a text has a character other than white space and invisible characters.

    :param text: the text
    """
    return bool(text.translate(_INVISIBLE).strip())
