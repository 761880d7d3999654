"""Turns HTML or XHTML into paragraphs and headings, as a browser shows them.

Any input is accepted. An end tag is ignored if its element is not open, and closes the open elements inside
its element, so that an element that is not spoken cannot hide text after its parent.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from airflow_polly_provider.document.characters import clean_text, has_speech
from airflow_polly_provider.document.html_rules import (
    BLOCKS,
    ENDED_BY,
    HEADINGS,
    VOIDS,
    is_link_sign,
    is_note_mark,
    is_spoken,
)
from airflow_polly_provider.document.html_tokens import EndTag, StartTag, html_tokens
from airflow_polly_provider.document.model import Block, one_line

_SPACES = re.compile(r"[\t\n\f\r ]+")
_SPACES_ON_LINE = re.compile(r"[\t\f\r ]+")
_SPACED_LINE_END = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")
_IS_XHTML = re.compile(
    r"""\A\s*+<\?xml\s|<(?:\w++:)?html\s[^>]*http://www\.w3\.org/1999/xhtml""", re.IGNORECASE
)
_DECLARED_WITHIN = 2048
_MAX_PIECES_OF_NOTE_MARK = 8


@dataclass(slots=True)
class HtmlContent:
    """The content of an HTML document.

    :param title: text of ``<title>``; None if there is none
    :param author: content of ``<meta name="author">``; None if there is none
    :param language: ``lang`` of the document; None if there is none
    :param blocks: the paragraphs and headings
    :param anchors: for each id, the index of the block in which it is, or of the next block
    """

    title: str | None = None
    author: str | None = None
    language: str | None = None
    blocks: list[Block] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)


def read_html_content(markup: str) -> HtmlContent:
    """Return the paragraphs and headings of an HTML document, and its metadata.

    :param markup: HTML or XHTML
    """
    markup = clean_text(markup)
    reader = _Reader(is_xhtml=_IS_XHTML.search(markup[:_DECLARED_WITHIN]) is not None)
    for token in html_tokens(markup):
        match token:
            case StartTag():
                reader.start(token)
            case EndTag(name):
                reader.end(name)
            case text:
                reader.text(text)
    return reader.finish()


@dataclass(slots=True)
class _Element:
    """An open element.

    :param is_spoken: whether the content of this element is spoken, if it is in an element that is spoken
    :param ends_paragraph: whether its start ends an open paragraph
    :param may_be_note_mark: whether it is a link into a document, or superscript
    :param inline: for a block: the names of the open elements in it that are in no other block
    :param breaks: whether it begins and ends a paragraph of what is spoken
    :param note: for what may be the mark of a note: the paragraph's number, and the number of its pieces
        before
    :param is_in_link: whether there is a link with superscript in it, or superscript with a link
    """

    name: str
    is_block: bool
    is_spoken: bool
    ends_paragraph: bool
    may_be_note_mark: bool
    inline: Counter[str] = field(default_factory=Counter)
    breaks: bool = False
    note: tuple[int, int] | None = None
    is_in_link: bool = False


class _Reader:
    def __init__(self, *, is_xhtml: bool) -> None:
        self._is_xhtml = is_xhtml
        self._content = HtmlContent()
        self._open: list[_Element] = []
        self._open_blocks: list[_Element] = []
        self._block_names: Counter[str] = Counter()
        self._not_in_block: Counter[str] = Counter()
        self._notes: list[_Element] = []
        self._silent = 0
        self._preformatted = 0
        self._heading: int | None = None
        # The paragraph that is being read, and the ids in it with the number of pieces before each.
        self._pieces: list[str] = []
        self._paragraph = 0
        self._anchors: list[tuple[str, int]] = []
        self._anchors_before: list[str] = []
        self._title: list[str] | None = None

    def start(self, tag: StartTag) -> None:
        name = self._local(tag.name)
        for attribute in ("id", "name") if name == "a" else ("id",):
            if anchor := tag.attributes.get(attribute):
                self._anchors.append((anchor, len(self._pieces)))
        if name in VOIDS:
            self._void(name, tag.attributes)
            return
        element = self._element(name, tag)
        self._end_implied(element)
        self._push(element)
        if name == "html" or name == "body":
            language = tag.attributes.get("lang") or tag.attributes.get("xml:lang")
            self._content.language = self._content.language or language
        if tag.is_closed:
            self._pop()

    def end(self, name: str) -> None:
        name = self._local(name)
        if name == "br":
            self._void(name, {})
        elif name in HEADINGS and self._open_blocks and self._open_blocks[-1].name in HEADINGS:
            # The end tag of a heading ends a heading of any level.
            self._pop_to(self._open_blocks[-1].name)
        elif name in BLOCKS:
            if self._block_names[name]:
                self._pop_to(name)
            elif name == "p":
                self._break()
        elif self._inline_names()[name]:
            self._pop_to(name)

    def text(self, text: str) -> None:
        if not self._silent:
            spaces = _SPACES_ON_LINE if self._preformatted else _SPACES
            self._pieces.append(spaces.sub(" ", text))
        elif self._title is not None:
            self._title.append(text)

    def finish(self) -> HtmlContent:
        while self._open:
            self._pop()
        self._break()
        for anchor in self._anchors_before:
            self._content.anchors.setdefault(anchor, len(self._content.blocks))
        return self._content

    def _local(self, name: str) -> str:
        # In HTML, a colon has no meaning: Word's <o:p> is not a paragraph.
        return name.rpartition(":")[2] if self._is_xhtml else name

    def _element(self, name: str, tag: StartTag) -> _Element:
        spoken = is_spoken(name, tag.attributes) and tag.name != "epub:case"
        is_block = name in BLOCKS
        # In XHTML, a note can be inside the sentence to which it belongs.
        ends_paragraph = is_block and (spoken or not self._is_xhtml)
        may_be_note_mark = name == "sup" or (name == "a" and "#" in tag.attributes.get("href", ""))
        return _Element(name, is_block, spoken, ends_paragraph, may_be_note_mark)

    def _inline_names(self) -> Counter[str]:
        return self._open_blocks[-1].inline if self._open_blocks else self._not_in_block

    def _push(self, element: _Element) -> None:
        element.breaks = element.ends_paragraph and not self._silent
        if element.breaks:
            self._break()
        if element.is_block:
            self._open_blocks.append(element)
            self._block_names[element.name] += 1
        else:
            self._inline_names()[element.name] += 1
        self._open.append(element)
        if element.may_be_note_mark and not self._silent:
            element.note = (self._paragraph, len(self._pieces))
            self._notes.append(element)
        if element.name == "title" and not self._silent and self._content.title is None:
            self._title = []
        self._silent += not element.is_spoken
        self._preformatted += element.name == "pre"
        if element.breaks and element.name in HEADINGS:
            self._heading = HEADINGS[element.name]

    def _pop(self) -> None:
        element = self._open.pop()
        if element.breaks:
            self._break()
        if element.is_block:
            self._open_blocks.pop()
            self._block_names[element.name] -= 1
        else:
            self._inline_names()[element.name] -= 1
        if element.note:
            self._end_note_mark(self._notes.pop())
        self._silent -= not element.is_spoken
        self._preformatted -= element.name == "pre"
        if element.breaks and element.name in HEADINGS:
            self._heading = None
        if element.name == "title" and self._title is not None:
            self._content.title = one_line("".join(self._title)) or None
            self._title = None

    def _pop_to(self, name: str) -> None:
        while self._open[-1].name != name:
            self._pop()
        self._pop()

    def _end_implied(self, element: _Element) -> None:
        """Close the elements without an end tag that the start of another element ends."""
        ended = ENDED_BY.get(element.name, frozenset())
        if not element.is_block:
            if ended and self._open and self._open[-1].name in ended:
                self._pop()
            return
        while self._open_blocks:
            innermost = self._open_blocks[-1]
            if innermost.name not in ended and (innermost.name != "p" or not element.ends_paragraph):
                return
            self._pop_to(innermost.name)

    def _void(self, name: str, attributes: dict[str, str]) -> None:
        if name == "meta" and attributes.get("name", "").lower() == "author":
            self._content.author = self._content.author or one_line(attributes.get("content", "")) or None
        elif name == "hr":
            if self._open_blocks and self._open_blocks[-1].name == "p":
                self._pop_to("p")
            if not self._silent:
                self._break()
        elif name == "br" and not self._silent:
            self._pieces.append("\n")

    def _end_note_mark(self, element: _Element) -> None:
        """Drop the text of an element if it is a note mark (a short link in superscript) or a link sign."""
        if self._notes and self._notes[-1].name != element.name:
            self._notes[-1].is_in_link = True
        if not element.note or element.note[0] != self._paragraph:
            return
        pieces = self._pieces[element.note[1] : element.note[1] + _MAX_PIECES_OF_NOTE_MARK + 1]
        if len(pieces) > _MAX_PIECES_OF_NOTE_MARK:
            return
        text = "".join(pieces)
        if is_note_mark(text) if element.is_in_link else element.name == "a" and is_link_sign(text):
            del self._pieces[element.note[1] :]

    def _break(self) -> None:
        """End the paragraph."""
        text = "".join(self._pieces)
        if has_speech(text):
            self._place_anchors()
            text = _SPACED_LINE_END.sub("\n", _SPACES_ON_LINE.sub(" ", text)).strip(" \n")
            self._content.blocks.append(Block(_BLANK_LINES.sub("\n\n", text), self._heading))
            # A heading that is not closed, or contains paragraphs: only the first one is the heading.
            self._heading = None
            self._anchors_before = [anchor for anchor, _ in self._anchors]
        else:
            self._anchors_before += [anchor for anchor, _ in self._anchors]
        self._anchors.clear()
        self._pieces.clear()
        self._paragraph += 1

    def _place_anchors(self) -> None:
        """Assign the ids before the last word to this paragraph; the others belong to the next one."""
        last = len(self._pieces)
        while not has_speech(self._pieces[last - 1]):
            last -= 1
        number = len(self._content.blocks)
        here = [anchor for anchor, at in self._anchors if at < last]
        for anchor in self._anchors_before + here:
            self._content.anchors.setdefault(anchor, number)
        self._anchors = [(anchor, at) for anchor, at in self._anchors if at >= last]
