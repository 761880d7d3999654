"""Markup that is well-formed whatever text goes into it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jinja2 import Undefined

from airflow_polly_provider.exceptions import PollySsmlError
from airflow_polly_provider.text.limits import billed_characters

# What XML 1.0 has no way to hold: https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A parser turns a bare carriage return into a line feed, and a line end within an attribute into a space.
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = _IN_TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


@dataclass(frozen=True)
class Ssml:
    """A piece of SSML, made by the functions of :mod:`~airflow_polly_provider.text.ssml`; it never changes.

    ``str()``, f-strings and templates give the markup. Added to a string, it makes that into escaped text.

    :param markup: is taken as it stands, unlike all that is given to those functions
    """

    markup: str

    def __str__(self) -> str:
        """Return the markup."""
        return self.markup

    def __add__(self, other: object) -> Ssml:
        """Return this and what follows."""
        return Ssml(self.markup + content(other))

    def __radd__(self, other: object) -> Ssml:
        """Return what precedes, and this; the 0 that ``sum`` begins with is nothing."""
        if type(other) is int and other == 0:
            return self
        return Ssml(content(other) + self.markup)

    @property
    def billed_characters(self) -> int:
        """How many characters Polly bills: those of the text, none of the tags."""
        # A piece has no root, and white space at its ends is text.
        return billed_characters(f"<speak>{self.markup}</speak>", ssml=True)


class SsmlDocument(Ssml):
    """A whole document, whose root is ``<speak>``; its markup is what ``text`` takes."""

    @property
    def billed_characters(self) -> int:
        """How many characters Polly bills: those of the text, none of the tags."""
        return billed_characters(self.markup, ssml=True)


def content(*parts: object) -> str:
    """Return parts as markup: text escaped, SSML as it is.

    :param parts: strings, numbers, and :class:`Ssml` but for whole documents
    :raises PollySsmlError: a part is something else, or holds what XML cannot
    """
    return "".join(_content_of(part) for part in parts)


def element(name: str, /, *parts: object, **attributes: str | None) -> Ssml:
    """Return an element with its content.

    :param name: the tag's name
    :param parts: what it encloses, as for :func:`content`
    :param attributes: by name, ``_`` for ``-`` and ``__`` for ``:``; None is left out
    :raises PollySsmlError: a part or an attribute holds what XML cannot
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
        raise PollySsmlError("<speak> is the root of a document: it goes into no other element.")
    if isinstance(part, Ssml):
        return part.markup
    if isinstance(part, Undefined):
        # A template's variable: where Airflow is strict, this raises the error that names it.
        part = str(part)
    if isinstance(part, int | float) and not isinstance(part, bool):
        part = str(part)
    if not isinstance(part, str):
        raise PollySsmlError(f"SSML is made of strings, numbers and SSML, not of {type(part).__name__}.")
    return _validated(part, "text").translate(_IN_TEXT)


def _validated(value: str, what: str) -> str:
    # The characters around it are not told: they are the text.
    if found := _NOT_XML.search(value):
        raise PollySsmlError(
            f"{what} holds the character U+{ord(found[0]):04X} at position {found.start()}, which XML "
            "cannot hold: remove it."
        )
    return value
