"""Decodes the bytes of a file: UTF-8 and UTF-16 text, and markup that declares its encoding."""

from __future__ import annotations

import codecs
import re

from airflow_polly_provider.exceptions import PollyInvalidRequestError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# How far browsers search for a declaration: https://html.spec.whatwg.org/#determining-the-character-encoding
_DECLARED_WITHIN = 1024
_XML_DECLARATION = re.compile(rb"""\s*<\?xml\s[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
_META = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([^\s"'/>;]+)""", re.IGNORECASE)
# Python's other codecs are slow on hostile input, or no encodings of text.
_SUPPORTED = re.compile(
    r"utf-?8|utf-?16(?:-?[bl]e)?|(?:us-)?ascii|(?:iso-?|l)?8859-\d{1,2}|latin-?1|(?:windows-|cp)?125\d"
    r"|macintosh|koi8-[ru]|(?:shift|x)-s?jis|euc-(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5(?:-hkscs)?"
)
# Browsers read these as Windows-1252, because many pages declare them and use its characters.
_READ_AS_WINDOWS_1252 = frozenset({"ascii", "iso8859-1"})


def decode_text(content: bytes, *, what: str) -> str:
    """Return the content of a text file, without a byte order mark.

    :param content: UTF-8, or UTF-16 with a byte order mark
    :param what: the file, for the error message
    :raises PollyInvalidRequestError: the content has another encoding
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], name, what, len(mark))
    return _decoded(content, "utf-8", what)


def decode_markup(content: bytes, *, what: str) -> str:
    """Return the content of an HTML file, without a byte order mark.

    :param content: the file. If it has no byte order mark, and declares no encoding in ``<?xml …?>`` or
        ``<meta charset=…>``, it must be UTF-8
    :param what: the file, for the error message
    :raises PollyInvalidRequestError: the content does not have this encoding, or the encoding is not
        supported
    """
    if content.startswith(tuple(mark for mark, _ in _BYTE_ORDER_MARKS)):
        return decode_text(content, what=what)
    for start, name in ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be")):
        if content.startswith(start):
            return _decoded(content, name, what)
    start = content[:_DECLARED_WITHIN]
    found = _XML_DECLARATION.match(start) or _META.search(start)
    return _decoded(content, _supported(found[1], what) if found else "utf-8", what)


def _supported(declared: bytes, what: str) -> str:
    name = declared.decode("latin-1").strip().lower().replace("_", "-")
    try:
        encoding = codecs.lookup(name).name if _SUPPORTED.fullmatch(name) else ""
    except LookupError:
        encoding = ""
    if not encoding:
        raise PollyInvalidRequestError(
            f"{what} declares the encoding {name!r:.50}, which is not supported. Convert it to UTF-8, and "
            "correct or remove the declaration."
        )
    if encoding.startswith("utf-16"):
        # The declaration is readable as ASCII, so it is wrong. Browsers read such a file as UTF-8.
        return "utf-8"
    return "cp1252" if encoding in _READ_AS_WINDOWS_1252 else encoding


def _decoded(content: bytes, encoding: str, what: str, offset: int = 0) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        # The reason of this error contains no text; str(error) contains a byte.
        raise PollyInvalidRequestError(
            f"{what} is not {encoding.upper()}: {error.reason} at byte {offset + error.start:,}. Convert it "
            "to UTF-8."
        ) from None
