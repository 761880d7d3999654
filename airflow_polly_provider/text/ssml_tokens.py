"""Reads SSML as text with tags between the characters, so that it can be cut like a plain text."""

from __future__ import annotations

import io
import re
from array import array
from bisect import bisect_left, bisect_right
from html import unescape
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.text import boundaries

if TYPE_CHECKING:
    from collections.abc import Iterator

# For well-formed XML without a DOCTYPE. Each character is read once.
_TOKEN = re.compile(
    r"""(?P<text>[^<&\r]++)
    |(?P<line>\r\n?+)
    |(?P<entity>&[^;]*+;)
    |(?P<close></[^>]*+>)
    |(?P<cdata><!\[CDATA\[.*?\]\]>)
    |(?P<comment><!--.*?-->|<\?.*?\?>)
    |(?P<open><(?P<name>[^\s/>]++)(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>)""",
    re.DOTALL | re.VERBOSE,
)
_CDATA = slice(len("<![CDATA["), -len("]]>"))
_TAG_NAME = re.compile(r"<([^\s/>]++)")
_MAX_DURATION = re.compile(r"\samazon:max-duration\s*=")

_EDGES = {
    "p": boundaries.PARAGRAPH_EDGE,
    "s": boundaries.SENTENCE_EDGE,
    "break": boundaries.PAUSE,
}
# Their content is spoken as one unit.
_UNDIVIDED = frozenset(["w", "sub", "say-as", "phoneme", "audio", "desc", "mark", "break"])

_OPENS, _CLOSES, _STAYS_BEFORE, _STAYS_AFTER = range(4)


class Place(NamedTuple):
    """A place in the source at which SSML can be cut.

    :param source: position in the source
    :param billed: number of billed characters before it
    :param element: number of the innermost element that contains it
    """

    source: int
    billed: int
    element: int


class SsmlText:
    """The text of an SSML document, with the way back from its characters to the source.

    At the edges of paragraphs and sentences and at pauses, the text has control characters, which
    :mod:`~airflow_polly_provider.text.boundaries` understands and XML does not allow.

    :param ssml: a well-formed document without a DOCTYPE
    """

    def __init__(self, ssml: str) -> None:
        self._ssml = ssml
        # Runs of characters that are next to each other in the source: the position in the text, the position
        # in the source, and the number of control characters before.
        self._run_at, self._run_source, self._run_added = array("I"), array("I"), array("I")
        self._run_is_whole = bytearray()
        # Tags and comments: the position in the text, the positions in the source, the number of control
        # characters before, what it does, and the innermost element after it.
        self._tag_at, self._tag_source, self._tag_added = array("I"), array("I"), array("I")
        self._tag_role, self._tag_element = bytearray(), array("I")
        # Elements: the element around it, its start tag, the sum of the lengths of all start and end tags
        # up to the root, its depth, and whether it must not be divided. Element 0 is the document.
        self._parent, self._tag_start, self._tag_end = array("I", [0]), array("I", [0]), array("I", [0])
        self._opening, self._closing = array("I", [0]), array("I", [0])
        self._depth, self._is_undivided = array("I", [0]), bytearray([0])
        written = io.StringIO()
        self._length = self._added = self._element = 0
        for found in _TOKEN.finditer(ssml):
            written.write(self._read(found))
        self.text = written.getvalue()
        self.billed = self._length - self._added

    def _read(self, token: re.Match[str]) -> str:
        """Add a token, and return the text that it stands for."""
        kind = token.lastgroup
        if kind == "name":
            kind = "open"
        start = token.start()
        if kind in ("text", "line", "entity", "cdata"):
            return self._read_text(kind, token[0], start) if self._element else ""
        name = ""
        tag = token[0]
        role = _STAYS_BEFORE
        if kind == "open":
            name = token["name"]
            if not tag.endswith("/>"):
                role = _OPENS
            elif name not in ("break", "p", "s"):
                role = _STAYS_AFTER
        elif kind == "close":
            name = tag[2:-1].rstrip()
            role = _CLOSES
        self._tag_at.append(self._length)
        self._tag_source.append(start)
        self._tag_added.append(self._added)
        self._tag_role.append(role)
        if role == _OPENS:
            self._open(name, start, token.end(), tag)
        elif role == _CLOSES:
            self._element = self._parent[self._element]
        self._tag_element.append(self._element)
        edge = _EDGES.get(name, "") if self._element else ""
        self._length += len(edge)
        self._added += len(edge)
        return edge

    def _read_text(self, kind: str, token: str, start: int) -> str:
        if kind == "line":
            text = "\n"
        elif kind == "entity":
            text = _character(token)
        elif kind == "cdata":
            text = token[_CDATA].replace("\r\n", "\n").replace("\r", "\n")
        else:
            text = token
        if text:
            self._run_at.append(self._length)
            self._run_source.append(start)
            self._run_added.append(self._added)
            self._run_is_whole.append(kind == "cdata")
            self._length += len(text)
        return text

    def _open(self, name: str, start: int, end: int, tag: str) -> None:
        around = self._element
        self._element = len(self._parent)
        self._parent.append(around)
        self._tag_start.append(start)
        self._tag_end.append(end)
        self._opening.append(self._opening[around] + end - start)
        self._closing.append(self._closing[around] + len(name) + len("</>"))
        self._depth.append(self._depth[around] + 1)
        self._is_undivided.append(
            self._is_undivided[around]
            or name in _UNDIVIDED
            # Each part would have the maximum duration of the whole.
            or (name == "prosody" and _MAX_DURATION.search(tag) is not None)
        )

    def source_of(self, position: int) -> int:
        """Return the position in the source of a character of the text, or of the one before it.

        :param position: position in the text
        """
        run = bisect_right(self._run_at, position) - 1
        if run < 0:
            return 0
        return self._run_source[run] + (0 if self._run_is_whole[run] else position - self._run_at[run])

    def place(self, position: int) -> Place | None:
        """Return the place for a cut before a character of the text; None if no cut is possible there.

        Of the places between the two characters, this is the one in the fewest elements. So no element is
        divided into one part with text and one without. A pause stays with the text before it, and a mark
        with the text after it.

        :param position: position in the text of a character that is not white space
        """
        low = bisect_left(self._tag_at, boundaries.last_spoken(self.text, position) + 1)
        high = bisect_right(self._tag_at, position, low)
        tag, element = low, self._tag_element[low - 1] if low else 0
        for index in range(low, high):
            after = self._tag_element[index]
            if self._depth[after] < self._depth[element]:
                tag, element = index + 1, after
        if self._is_undivided[element]:
            return None
        while tag < high and self._tag_role[tag] == _STAYS_BEFORE:
            tag += 1
        if tag < high:
            return Place(self._tag_source[tag], self._tag_at[tag] - self._tag_added[tag], element)
        run = bisect_right(self._run_at, position) - 1
        inside = position - self._run_at[run]
        if inside and self._run_is_whole[run]:
            return None
        return Place(self._run_source[run] + inside, position - self._run_added[run], element)

    def tags_length(self, element: int) -> tuple[int, int]:
        """Return the lengths of the start tags and of the end tags of an element and of those around it.

        :param element: number of an element
        """
        return self._opening[element], self._closing[element]

    def start_tags(self, element: int) -> str:
        """Return the start tags of an element and of those around it, with their attributes.

        :param element: number of an element
        """
        return "".join(reversed([self._ssml[start:end] for start, end in self._start_tags(element)]))

    def end_tags(self, element: int) -> str:
        """Return the end tags of an element and of those around it.

        :param element: number of an element
        """
        names = (_TAG_NAME.match(self._ssml, start) for start, _ in self._start_tags(element))
        return "".join(f"</{name[1]}>" for name in names if name)

    def _start_tags(self, element: int) -> Iterator[tuple[int, int]]:
        while element:
            yield self._tag_start[element], self._tag_end[element]
            element = self._parent[element]


def _character(entity: str) -> str:
    if entity[1] != "#":
        return unescape(entity)
    return chr(int(entity[3:-1], 16) if entity[2] == "x" else int(entity[2:-1]))
