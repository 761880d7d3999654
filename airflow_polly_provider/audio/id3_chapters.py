"""Writes an ID3v2.4 tag with the title, the artist, the language and the chapters of an mp3 file.

Sources: https://id3.org/id3v2.4.0-structure, https://id3.org/id3v2.4.0-frames and
https://id3.org/id3v2-chapters-1.0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_polly_provider.audio.chapters import one_line, validate_chapters
from airflow_polly_provider.audio.languages import iso_639_2
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_polly_provider.audio.chapters import Chapter

_MAX_TAG_BYTES = (1 << 28) - 1
"""A size has four bytes of seven bits each."""

_MAX_MILLISECONDS = 0xFFFFFFFF
_NO_OFFSET = b"\xff\xff\xff\xff"
_MAX_CHILDREN = 255
_UTF_8 = b"\x03"
_TOP_LEVEL, _ORDERED = 0x02, 0x01


@dataclass
class _Node:
    """A chapter, or a table of contents if it has children.

    :param chapter: the chapter; None for a table of contents without a title
    """

    chapter: Chapter | None
    children: list[_Node] = field(default_factory=list)


def id3_tag(
    chapters: Sequence[Chapter],
    *,
    title: str | None = None,
    artist: str | None = None,
    language_code: str | None = None,
) -> bytes:
    """Return an ID3v2.4 tag for the front of an mp3 file.

    Each chapter becomes a CHAP frame, in the order of the file. A chapter that is followed by chapters of a
    higher level also becomes a table of contents (CTOC), with the chapter itself as its first child. A table
    of contents holds at most 255 children, so that a longer one is divided into tables without a title.

    :param chapters: in the order of the file; if there are none, the tag has no table of contents
    :param title: the title of the whole file (TIT2)
    :param artist: the author or the speaker (TPE1)
    :param language_code: for example Polly's LanguageCode (TLAN); a language that is not known is left out
    :raises PollyInvalidRequestError: a chapter has no title, the chapters overlap, a chapter ends after 49.7
        days, or the tag would be larger than 256 MiB
    """
    validate_chapters(chapters)
    if chapters and chapters[-1].end_ms > _MAX_MILLISECONDS:
        raise PollyInvalidRequestError(
            f"the last chapter ends at {chapters[-1].end_ms:,} ms, but a chapter in an mp3 file can end at "
            f"{_MAX_MILLISECONDS:,} ms (49.7 days) at the latest. Split the text into several documents"
        )
    language = None if language_code is None else iso_639_2(language_code)
    texts = (("TIT2", title), ("TPE1", artist), ("TLAN", language))
    frames = [_text_frame(name, text) for name, text in texts if text is not None]
    if chapters:
        tables = _Tables()
        tables.write(_divided(_tree(chapters)))
        frames += tables.frames + tables.chapters
    content = b"".join(frames)
    return b"ID3\x04\x00\x00" + _synchsafe(len(content)) + content


def _tree(chapters: Sequence[Chapter]) -> _Node:
    """Return the chapters as a tree by their levels. A missing level between two levels is ignored."""
    root = _Node(None)
    path = [(0, root)]
    for chapter in chapters:
        while path[-1][0] >= chapter.level:
            path.pop()
        node = _Node(chapter)
        path[-1][1].children.append(node)
        path.append((chapter.level, node))
    return root


def _divided(node: _Node) -> _Node:
    """Return a table of contents in which each table has at most 255 children."""
    children = [_divided(each) for each in node.children]
    if node.chapter is not None and children:
        children.insert(0, _Node(node.chapter))
    while len(children) > _MAX_CHILDREN:
        groups = range(0, len(children), _MAX_CHILDREN)
        children = [_Node(None, children[at : at + _MAX_CHILDREN]) for at in groups]
    return _Node(node.chapter, children)


class _Tables:
    """Writes the frames of a tree. The identifiers are toc0, toc1 and so on, and ch0, ch1 and so on."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.chapters: list[bytes] = []

    def write(self, node: _Node) -> str:
        """Write the frames of a node and of all nodes in it, and return its identifier."""
        if node.chapter is not None and not node.children:
            return self._write_chapter(node.chapter)
        number = len(self.frames)
        # A table comes before its children.
        self.frames.append(b"")
        children = [self.write(each) for each in node.children]
        name = f"toc{number}"
        flags = _ORDERED | (0 if number else _TOP_LEVEL)
        content = _name(name) + bytes([flags, len(children)]) + b"".join(map(_name, children))
        if node.chapter is not None:
            content += _text_frame("TIT2", node.chapter.shown_title)
        self.frames[number] = _frame("CTOC", content)
        return name

    def _write_chapter(self, chapter: Chapter) -> str:
        name = f"ch{len(self.chapters)}"
        times = chapter.start_ms.to_bytes(4, "big") + chapter.end_ms.to_bytes(4, "big")
        content = _name(name) + times + 2 * _NO_OFFSET + _text_frame("TIT2", chapter.shown_title)
        self.chapters.append(_frame("CHAP", content))
        return name


def _name(name: str) -> bytes:
    return name.encode("ascii") + b"\x00"


def _text_frame(name: str, text: str) -> bytes:
    # A zero byte would begin a second text.
    return _frame(name, _UTF_8 + one_line(text).encode())


def _frame(name: str, content: bytes) -> bytes:
    return name.encode("ascii") + _synchsafe(len(content)) + bytes(2) + content


def _synchsafe(size: int) -> bytes:
    """Return a size as four bytes of seven bits each."""
    if size > _MAX_TAG_BYTES:
        raise PollyInvalidRequestError(
            f"the titles and chapters have {size:,} bytes, but the tag of an mp3 file holds at most "
            f"{_MAX_TAG_BYTES:,} (256 MiB). Use fewer chapters or shorter titles"
        )
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
