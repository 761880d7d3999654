"""Reads a Markdown file as a document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.document.characters import clean_text
from airflow_polly_provider.document.front_matter import split_front_matter
from airflow_polly_provider.document.html_chapters import read_html
from airflow_polly_provider.document.model import Document
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Deeper blocks would be dropped without an error. Python limits the depth itself, with an error.
_MAX_NESTING = 1_000_000
# Footnotes are not part of CommonMark, but common.
_NOTE_MARK = re.compile(r"\[\^[^\]\s]+\](?!:)")
_NOTE = re.compile(r"\[\^[^\]\s]+\]:")


def read_markdown(source: str) -> Document:
    """Return a Markdown document (CommonMark with tables and strikethrough). Each heading begins a chapter.

    Paragraphs, list items, quotes, table cells, the text of links and code inside a paragraph are spoken.
    Code blocks, images, URLs in ``<…>``, the numbers of lists, footnotes and HTML comments are not. Other
    HTML is read as in :func:`~airflow_polly_provider.document.html_chapters.read_html`. ``title``, ``author``
    and ``language`` (or ``lang``) come from YAML front matter.

    :param source: the Markdown
    :raises PollyInvalidRequestError: markdown-it-py is not installed, or the document is nested too deeply
    """
    front_matter, source = split_front_matter(clean_text(source))
    try:
        markup = _as_html(source)
    except RecursionError:
        raise PollyInvalidRequestError(
            "The Markdown has too many nested lists, quotes or brackets. Remove levels, or convert the file "
            "to HTML."
        ) from None
    document = read_html(markup)
    return Document(
        title=front_matter.get("title") or document.title,
        author=front_matter.get("author") or document.author,
        language=front_matter.get("language") or front_matter.get("lang") or document.language,
        chapters=document.chapters,
    )


def _as_html(source: str) -> str:
    # Only Markdown files need this library, which Airflow installs through rich.
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise PollyInvalidRequestError(
            "Markdown files need the package markdown-it-py. Install it on the workers, for example with the "
            "extra airflow-polly-provider[markdown], or convert the file to HTML or text."
        ) from error
    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable(["table", "strikethrough"])
    tokens = parser.parse(source)
    rendered: str = parser.renderer.render(list(_spoken(tokens)), parser.options, {})
    return rendered


def _spoken(tokens: Sequence[Any]) -> Iterable[Any]:
    """Yield the tokens of blocks that are spoken, without what is not spoken in their paragraphs."""
    for token in tokens:
        if token.type in ("fence", "code_block"):
            continue
        if token.type == "inline":
            if _NOTE.match(token.content):
                continue
            token.children = list(_spoken_inline(token.children or []))
        yield token


def _spoken_inline(tokens: Sequence[Any]) -> Iterable[Any]:
    for at, token in enumerate(tokens):
        if token.type == "text" and at:
            link = tokens[at - 1]
            # The text of <https://…> is its URL. A note of one word is read as the target of a link.
            if link.type == "link_open" and (
                (link.markup == "autolink" and "://" in token.content) or token.content.startswith("^")
            ):
                continue
        if token.type == "text":
            token.content = _NOTE_MARK.sub("", token.content)
        yield token
