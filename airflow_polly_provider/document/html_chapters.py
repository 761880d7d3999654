"""Reads an HTML file as a document."""

from __future__ import annotations

from airflow_polly_provider.document.html_blocks import read_html_content
from airflow_polly_provider.document.model import Document, chapters_by_headings


def read_html(markup: str) -> Document:
    """Return an HTML document. Each heading (``<h1>`` to ``<h6>``) begins a chapter.

    Blocks become paragraphs, also list items and table cells, and ``<br>`` a line end. The following is not
    spoken: hidden elements, navigation, form fields, images and media, the numbers of lists, ruby
    annotations, notes, and their marks.

    :param markup: HTML or XHTML
    """
    content = read_html_content(markup)
    chapters = tuple(chapters_by_headings(content.blocks))
    return Document(content.title, content.author, content.language, chapters)
