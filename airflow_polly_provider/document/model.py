"""A document: its title, author and language, and its chapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_polly_provider.document.characters import has_speech
from airflow_polly_provider.text.limits import billed_characters

TextType = Literal["text", "ssml"]
"""How a chapter's text is written, as for Polly's ``TextType``."""


@dataclass(frozen=True, slots=True)
class DocumentChapter:
    """A part of a document, with one title.

    :param title: the heading on one line; None for text before the first heading, and for a document without
        headings. A heading in the document is also the first paragraph of ``text``
    :param level: 1 for a chapter, 2 for a part of it, and so on
    :param text: the paragraphs, separated by blank lines; or a complete SSML document
    :param text_type: ``text`` or ``ssml``
    :param voice_id: the voice of a dialogue's turn; None for the voice of the document
    :param pause_seconds: silence after a dialogue's turn, in seconds; None for the document's default
    """

    title: str | None
    level: int
    text: str
    text_type: TextType = "text"
    voice_id: str | None = None
    pause_seconds: float | None = None

    @property
    def billed_characters(self) -> int:
        """Number of characters that Polly bills for this chapter."""
        return billed_characters(self.text, ssml=self.text_type == "ssml")


@dataclass(frozen=True, slots=True)
class Document:
    """A text of any length.

    :param title: the title; None if the document does not state it
    :param author: the author, or several, separated by commas; None if the document does not state it
    :param language: the language code as written in the document, such as ``en-GB``; None if the document
        does not state it
    :param chapters: the chapters in reading order
    """

    title: str | None
    author: str | None
    language: str | None
    chapters: tuple[DocumentChapter, ...]

    @property
    def billed_characters(self) -> int:
        """Number of characters that Polly bills for all chapters."""
        return sum(chapter.billed_characters for chapter in self.chapters)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or a heading.

    :param text: the text, which may contain line ends
    :param level: 1 to 6 for a heading; None for a paragraph
    """

    text: str
    level: int | None = None


def chapter_of(title: str | None, level: int, blocks: list[Block]) -> list[DocumentChapter]:
    """Return the chapter with these blocks, as a list; an empty list if there is nothing to speak.

    :param title: the title; None if it has none
    :param level: 1 for a chapter, 2 for a part of it, and so on
    :param blocks: the paragraphs and headings
    """
    text = "\n\n".join(block.text for block in blocks)
    return [DocumentChapter(title, level, text)] if has_speech(text) else []


def chapters_by_headings(blocks: list[Block]) -> list[DocumentChapter]:
    """Return the chapters of a text. Each heading begins a chapter.

    :param blocks: the paragraphs and headings in reading order
    """
    chapters: list[DocumentChapter] = []
    begin = 0
    for at in [*(at for at, block in enumerate(blocks) if block.level is not None), len(blocks)]:
        if at > begin:
            first = blocks[begin]
            title = None if first.level is None else one_line(first.text)
            chapters += chapter_of(title, first.level or 1, blocks[begin:at])
        begin = at
    return chapters


def one_line(text: str) -> str:
    """Return a text on one line, for a title.

    :param text: the text; each sequence of white space becomes one space
    """
    return " ".join(text.split())
