"""Reads a document from the content of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.document.characters import clean_text, has_speech
from airflow_polly_provider.document.encoding import decode_markup, decode_text
from airflow_polly_provider.document.epub_chapters import read_epub
from airflow_polly_provider.document.html_chapters import read_html
from airflow_polly_provider.document.markdown_chapters import read_markdown
from airflow_polly_provider.document.model import Document, DocumentChapter
from airflow_polly_provider.document.ssml_chapter import read_ssml
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

EPUB_SUFFIX = ".epub"
_HTML = (".html", ".htm", ".xhtml")
SUFFIXES = (".txt", ".md", ".markdown", *_HTML, EPUB_SUFFIX, ".ssml")
"""The suffixes of the files that can be read."""


def read_text(text: str) -> Document:
    """Return a plain text as one chapter without title. Only line ends and control characters change.

    :param text: the text
    """
    text = clean_text(text)
    return Document(None, None, None, (DocumentChapter(None, 1, text),) if has_speech(text) else ())


_READERS: dict[str, Callable[[str], Document]] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    **dict.fromkeys(_HTML, read_html),
    ".ssml": read_ssml,
}


def read_document(content: bytes | str, suffix: str, *, max_characters: int) -> Document:
    """Return a document from the content of a file.

    :param content: the content; an EPUB must be bytes
    :param suffix: the suffix of the file's name, such as ``.epub``; one of :data:`SUFFIXES`, in any case
    :param max_characters: maximum number of characters that Polly bills for the document
    :raises PollyInvalidRequestError: the content is invalid, has nothing to speak, or has too many characters
    """
    kind = suffix.lower()
    if kind not in SUFFIXES:
        raise PollyInvalidRequestError(
            f"Unknown kind of document: {suffix!r:.50}. Use a file with one of these suffixes: "
            f"{', '.join(SUFFIXES)}."
        )
    document = _read(content, kind)
    if not document.chapters:
        raise PollyInvalidRequestError(
            f"The {kind} document has nothing to speak ({len(content):,} "
            f"{'bytes' if isinstance(content, bytes) else 'characters'}). Check the file: text in images, "
            "hidden elements and code blocks is not spoken."
        )
    return validate_length(document, max_characters=max_characters)


def validate_length(document: Document, *, max_characters: int) -> Document:
    """Return a document if it does not have too many characters.

    :param document: the document
    :param max_characters: maximum number of characters that Polly bills
    :raises PollyInvalidRequestError: it has more
    """
    count = document.billed_characters
    if count > max_characters:
        raise PollyInvalidRequestError(
            f"The document has {count:,} billed characters; the maximum is {max_characters:,}. Nothing was "
            "sent. Raise max_document_characters if you accept the price, or split the document."
        )
    return document


def _read(content: bytes | str, kind: str) -> Document:
    if kind == EPUB_SUFFIX:
        if isinstance(content, str):
            raise PollyInvalidRequestError("An EPUB is a binary file: pass its bytes, not a string.")
        return read_epub(content)
    if isinstance(content, bytes):
        decode = decode_markup if kind in _HTML else decode_text
        content = decode(content, what=f"The {kind} document")
    return _READERS[kind](content.removeprefix("\ufeff"))
