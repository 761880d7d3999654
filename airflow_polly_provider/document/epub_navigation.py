"""Reads an EPUB's table of contents: the navigation document (EPUB 3) or the NCX (EPUB 2)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_polly_provider.document.characters import clean_text
from airflow_polly_provider.document.encoding import decode_markup
from airflow_polly_provider.document.epub_xml import parse_xml
from airflow_polly_provider.document.html_tokens import EndTag, StartTag, html_tokens
from airflow_polly_provider.document.model import one_line

if TYPE_CHECKING:
    from airflow_polly_provider.document.epub_archive import EpubArchive


@dataclass(slots=True)
class Entry:
    """An entry of a table of contents.

    :param level: 1 at the top
    :param reference: the ``href`` or ``src``; None for the title of a group
    :param words: the title, in parts
    """

    level: int
    reference: str | None = None
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """A place to which a table of contents points.

    :param title: title on one line
    :param level: 1 at the top
    :param path: path of the file in the EPUB
    :param fragment: the id in the file; an empty string for its start
    """

    title: str
    level: int
    path: str
    fragment: str


def read_navigation(archive: EpubArchive, path: str) -> list[Target]:
    """Return the entries of a navigation document that point to a file.

    :param archive: the EPUB
    :param path: path of the navigation document
    :raises PollyInvalidRequestError: the document cannot be decoded, or points outside the archive
    """
    markup = clean_text(decode_markup(archive.read(path), what=f"{path!r:.200} in the EPUB"))
    return _targets(archive, path, _entries_of_navigation(markup))


def read_ncx(archive: EpubArchive, path: str) -> list[Target]:
    """Return the entries of an NCX that point to a file.

    :param archive: the EPUB
    :param path: path of the NCX
    :raises PollyInvalidRequestError: the NCX is not well-formed XML, or points outside the archive
    """
    elements = parse_xml(archive.read(path), path)
    entries: dict[int, Entry] = {}
    # For each element, the index of the navPoint in which it is; -1 if it is in none.
    points: list[int] = []
    for at, element in enumerate(elements):
        outer = points[element.parent] if element.parent >= 0 else -1
        points.append(outer)
        if element.name == "navPoint":
            points[at] = at
            entries[at] = Entry(entries[outer].level + 1 if outer >= 0 else 1)
        elif outer >= 0 and element.name == "text":
            entries[outer].words += element.text
        elif outer >= 0 and element.name == "content":
            entries[outer].reference = element.attributes.get("src")
    return _targets(archive, path, list(entries.values()))


def _entries_of_navigation(markup: str) -> list[Entry]:
    """Return the entries of ``<nav epub:type="toc">``, or of the first ``<nav>`` if none has this type."""
    lists: list[tuple[bool, list[Entry]]] = []
    is_open = False
    depth = 0
    link: Entry | None = None
    for token in html_tokens(markup):
        name = "" if isinstance(token, str) else token.name.rpartition(":")[2]
        if isinstance(token, StartTag) and name == "nav":
            kinds = f"{token.attributes.get('epub:type', '')} {token.attributes.get('role', '')}".split()
            lists.append(("toc" in kinds or "doc-toc" in kinds, []))
            is_open, depth, link = True, 0, None
        elif not is_open:
            continue
        elif isinstance(token, str):
            if link is not None:
                link.words.append(token)
        elif isinstance(token, EndTag):
            is_open = name != "nav"
            depth -= name == "ol"
            link = None if name == "a" else link
        elif name == "ol":
            depth += not token.is_closed
        elif name == "a":
            link = Entry(max(depth, 1), token.attributes.get("href"))
            lists[-1][1].append(link)
    # The sort is stable: of the lists with this type, and of the others, the first one comes first.
    lists.sort(key=lambda one: not one[0])
    return lists[0][1] if lists else []


def _targets(archive: EpubArchive, path: str, entries: list[Entry]) -> list[Target]:
    targets = []
    for entry in entries:
        title = one_line("".join(entry.words))
        found = archive.find(posixpath.dirname(path), entry.reference) if entry.reference else None
        if found is not None and title:
            targets.append(Target(title, entry.level, *found))
    return targets
