"""Builds well-formed markup from any text by escaping texts and attribute values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import Undefined

from airflow_polly_provider.exceptions import PollySsmlError
from airflow_polly_provider.text.limits import billed_characters

# Characters that XML 1.0 does not allow, even escaped: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A parser replaces a bare carriage return with a line feed, and a line end in an attribute with a space.
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = _IN_TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


@dataclass(frozen=True)
class Ssml:
    """An immutable piece of SSML, as returned by the functions of :mod:`~airflow_polly_provider.text.ssml`.

    ``str()``, f-strings and templates return the markup. ``+`` joins it with other SSML and with strings; a
    string is escaped.

    :param markup: the markup, which is used unchanged. Only the arguments of the SSML functions are escaped
    """

    markup: str

    def __str__(self) -> str:
        """Return the markup."""
        return self.markup

    def __add__(self, other: object) -> Ssml:
        """Return this piece followed by another one, escaped if it is a string."""
        return Ssml(self.markup + content(other))

    def __radd__(self, other: object) -> Ssml:
        """Return another piece, escaped if it is a string, followed by this one.

        The integer 0 is ignored, because ``sum`` starts with it.
        """
        if type(other) is int and other == 0:
            return self
        return Ssml(content(other) + self.markup)

    @property
    def billed_characters(self) -> int:
        """Number of characters that Polly bills: the characters of the text, without the tags."""
        # A piece has no root element, so one is added here. White space at the start and end of a piece is
        # counted.
        return billed_characters(f"<speak>{self.markup}</speak>", ssml=True)


class SsmlDocument(Ssml):
    """A complete SSML document with the root ``<speak>``. Pass it as an operator's ``text``."""

    @property
    def billed_characters(self) -> int:
        """Number of characters that Polly bills: the characters of the text, without the tags."""
        return billed_characters(self.markup, ssml=True)


def content(*parts: object) -> str:
    """Return parts as one string of markup. Strings are escaped, SSML is not.

    :param parts: strings, numbers and :class:`Ssml`, but not complete documents
    :raises PollySsmlError: a part has an unsupported type, or contains a character that XML does not allow
    """
    return "".join(_content_of(part) for part in parts)


def element(name: str, /, *parts: object, **attributes: str | None) -> Ssml:
    """Return an element with its content.

    :param name: name of the tag
    :param parts: content of the element, as for :func:`content`
    :param attributes: values by attribute name, with ``_`` for ``-`` and ``__`` for ``:``; attributes that
        are None are left out
    :raises PollySsmlError: a part has an unsupported type, or a part or an attribute contains a character
        that XML does not allow
    """
    given = "".join(
        f' {key.replace("__", ":").replace("_", "-")}="{_validated(value, key).translate(_IN_ATTRIBUTE)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = content(*parts)
    return Ssml(f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>")


def _content_of(part: object) -> str:
    if isinstance(part, SsmlDocument):
        raise PollySsmlError("<speak> is the root of a document: it cannot be put into another element.")
    if isinstance(part, Ssml):
        return part.markup
    if isinstance(part, Undefined):
        # An undefined variable of a template. If Airflow's templates are strict, str() raises an error with
        # the name of the variable.
        part = str(part)
    if isinstance(part, int | float) and not isinstance(part, bool):
        part = str(part)
    if not isinstance(part, str):
        raise PollySsmlError(
            f"SSML content must be a string, a number or the result of an SSML function, not "
            f"{type(part).__name__}."
        )
    return _validated(part, "text").translate(_IN_TEXT)


def _validated(value: str, what: str) -> str:
    # The error does not quote the characters around the invalid one, because they are part of the text.
    if found := _NOT_XML.search(value):
        raise PollySsmlError(
            f"{what} contains the character U+{ord(found[0]):04X} at position {found.start()}, which XML "
            "does not allow. Remove it."
        )
    return value
