"""Reads an EPUB as a document."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_polly_provider.document.encoding import decode_markup
from airflow_polly_provider.document.epub_archive import EpubArchive
from airflow_polly_provider.document.epub_navigation import read_navigation, read_ncx
from airflow_polly_provider.document.epub_package import read_package
from airflow_polly_provider.document.html_blocks import read_html_content
from airflow_polly_provider.document.model import (
    Document,
    DocumentChapter,
    chapter_of,
    chapters_by_headings,
    one_line,
)

if TYPE_CHECKING:
    from airflow_polly_provider.document.epub_navigation import Target
    from airflow_polly_provider.document.epub_package import EpubPackage
    from airflow_polly_provider.document.html_blocks import HtmlContent
    from airflow_polly_provider.document.model import Block


def read_epub(content: bytes) -> Document:
    """Return an EPUB 2 or EPUB 3 as a document. Each entry of its table of contents begins a chapter.

    If most entries point to no file in the reading order, or only one place is found, each heading begins a
    chapter. The table of contents itself is not spoken, nor are files outside the reading order. What is
    spoken of each file is described at :func:`~airflow_polly_provider.document.html_chapters.read_html`.

    :param content: the EPUB
    :raises PollyInvalidRequestError: the EPUB is damaged, incomplete, encrypted or too large
    """
    archive = EpubArchive(content)
    package = read_package(archive)
    book = _Book()
    for path in package.spine:
        markup = decode_markup(archive.read(path), what=f"{path!r:.200} in the EPUB")
        page = read_html_content(markup)
        # A page that is only the table of contents has a heading, but no paragraph.
        if path != package.navigation or any(block.level is None for block in page.blocks):
            book.add(path, page)
    starts = book.starts(_table_of_contents(archive, package))
    if len(starts) < 2:
        headings = chapters_by_headings(book.blocks)
        chapters = headings if len(headings) > 1 or not starts else book.chapters(starts)
    else:
        chapters = book.chapters(starts)
    return Document(package.title, package.author, package.language, tuple(chapters))


def _table_of_contents(archive: EpubArchive, package: EpubPackage) -> list[Target]:
    targets = read_navigation(archive, package.navigation) if package.navigation else []
    return targets or (read_ncx(archive, package.ncx) if package.ncx else [])


@dataclass(slots=True)
class _Book:
    """The text of a book.

    :param blocks: the paragraphs and headings of all files
    :param anchors: by path: the index of the block of each id in the file, and with an empty id of its start
    :param ends: by path: the index of the block after the file
    :param headings: by path and title, the indexes of the headings in the file
    """

    blocks: list[Block] = field(default_factory=list)
    anchors: dict[str, dict[str, int]] = field(default_factory=dict)
    headings: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, path: str, page: HtmlContent) -> None:
        """Add the next file."""
        first = len(self.blocks)
        self.anchors[path] = {anchor: first + at for anchor, at in page.anchors.items()} | {"": first}
        for at, block in enumerate(page.blocks, first):
            if block.level is not None:
                self.headings.setdefault((path, _comparable(block.text)), []).append(at)
        self.blocks += page.blocks

    def starts(self, targets: list[Target]) -> dict[int, DocumentChapter]:
        """Return the chapters of a table of contents, without texts, by the index of their first block.

        If most entries point to files that are not in the book, nothing is returned.
        """
        starts: dict[int, DocumentChapter] = {}
        known = 0
        for target in targets:
            anchors = self.anchors.get(target.path)
            if anchors is None:
                continue
            known += 1
            # A reading system opens the file at its start if the id does not exist.
            at = anchors.get(target.fragment, anchors[""])
            if at in starts:
                at = self._heading_after(at, target)
            if at >= len(self.blocks):
                continue
            if at not in starts:
                starts[at] = DocumentChapter(target.title, target.level, "")
            elif _comparable(target.title) != _comparable(starts[at].title or ""):
                first = starts[at]
                starts[at] = DocumentChapter(f"{first.title}: {target.title}", first.level, "")
        return starts if 2 * known >= len(targets) else {}

    def _heading_after(self, at: int, target: Target) -> int:
        """Return the next heading with the title of an entry, because another entry begins here too."""
        headings = self.headings.get((target.path, _comparable(target.title)), [])
        after = bisect_right(headings, at)
        return headings[after] if after < len(headings) else at

    def chapters(self, starts: dict[int, DocumentChapter]) -> list[DocumentChapter]:
        """Return the chapters with texts. What comes before the first one is a chapter without title."""
        positions = sorted(starts)
        chapters = chapter_of(None, 1, self.blocks[: positions[0]])
        for start, end in zip(positions, [*positions[1:], len(self.blocks)], strict=True):
            begun = starts[start]
            chapters += chapter_of(begun.title, begun.level, self.blocks[start:end])
        return chapters


def _comparable(title: str) -> str:
    return one_line(title).casefold()
