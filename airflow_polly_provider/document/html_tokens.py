"""Splits HTML or XHTML into tags and text, in time proportional to its length.

The standard library's ``html.parser`` is not used: on malformed input, the time that many of its versions
need grows with the square of the length, and its result differs between versions.

Where HTML's rules would drop the rest of a document, the rest is kept: after a comment, tag or raw text that
does not end.

Source: https://html.spec.whatwg.org/multipage/parsing.html#tokenization
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Possessive quantifiers (++, *+) prevent backtracking.
_NAME = re.compile(r"[a-zA-Z][^\t\n\f\r />]*+")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)
    (?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r >]*+)))?+""",
    re.VERBOSE,
)
_TAG_END = re.compile(r"[\t\n\f\r /]*+>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\][\t\n\f\r ]*+)?+>", re.IGNORECASE)
_COMMENT_END = re.compile(r"--!?>")
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_RAW = frozenset({"script", "style", "iframe", "noembed", "noframes"})
_RAW_WITH_ENTITIES = frozenset({"title", "textarea"})
_RAW_ENDS = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW | _RAW_WITH_ENTITIES
}
# Python refuses to convert more than 4,300 decimal digits.
_LEADING_ZEROS = re.compile(r"(?i)&#(x?)0++(?=[0-9a-f])")
_TOO_LARGE = re.compile(r"(?i)&#(?:[0-9]{8,}+|x[0-9a-f]{8,}+);?")


class StartTag(NamedTuple):
    """A start tag.

    :param name: name in lower case, with its prefix
    :param attributes: decoded values by name in lower case; of several with one name, the first
    :param is_closed: whether the tag ends with ``/>``
    """

    name: str
    attributes: dict[str, str]
    is_closed: bool


class EndTag(NamedTuple):
    """An end tag.

    :param name: name in lower case, with its prefix
    """

    name: str


def html_tokens(markup: str) -> Iterator[StartTag | EndTag | str]:
    """Yield the tags and the decoded texts. Comments, declarations, scripts and styles are dropped.

    :param markup: HTML or XHTML
    """
    return _Tokenizer(markup).tokens()


def _decoded(text: str) -> str:
    if "&" not in text:
        return text
    if "&#" in text:
        text = _TOO_LARGE.sub("\ufffd", _LEADING_ZEROS.sub(r"&#\1", text))
    return html.unescape(text)


class _Tokenizer:
    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._last_end = markup.rfind(">")
        # Ends that do not occur in the rest of the markup. Without this, each search would read the rest
        # again.
        self._missing: set[re.Pattern[str] | str] = set()
        self._quotes_hide_ends = True

    def tokens(self) -> Iterator[StartTag | EndTag | str]:
        markup, at = self._markup, 0
        while at < len(markup):
            start = markup.find("<", at)
            if not 0 <= start < self._last_end:
                yield _decoded(markup[at:])
                return
            if start > at:
                yield _decoded(markup[at:start])
            token, at = self._markup_at(start)
            if token is not None:
                yield token
            if isinstance(token, StartTag) and token.name in _RAW_ENDS and not token.is_closed:
                text, at = self._raw_text(token.name, at)
                if text:
                    yield text

    def _markup_at(self, start: int) -> tuple[StartTag | EndTag | str | None, int]:
        """Return the token that begins with ``<``, and the position after it. A ``>`` follows somewhere."""
        following = self._markup[start + 1 : start + 2]
        if following == "!":
            return self._declaration(start)
        if following == "?":
            return None, self._simple_end(start)
        if following == "/":
            if (name := _NAME.match(self._markup, start + 2)) is None:
                return None, self._simple_end(start)
            return EndTag(name[0].lower()), self._simple_end(name.end())
        if (name := _NAME.match(self._markup, start + 1)) is None:
            return "<", start + 1
        return self._start_tag(name)

    def _declaration(self, start: int) -> tuple[str | None, int]:
        markup = self._markup
        if markup.startswith("<!--", start):
            # "<!-->" is a complete comment.
            end = self._search(_COMMENT_END, start + 2)
            return None, end.end() if end else self._simple_end(start)
        if markup.startswith(_CDATA, start):
            start += len(_CDATA)
            end_at = -1 if _CDATA_END in self._missing else markup.find(_CDATA_END, start)
            if end_at < 0:
                self._missing.add(_CDATA_END)
                return None, start
            return markup[start:end_at], end_at + len(_CDATA_END)
        doctype = None if _DOCTYPE in self._missing else _DOCTYPE.match(markup, start)
        if doctype:
            return None, doctype.end()
        # An internal subset that does not end extends to the end of the markup.
        self._missing.add(_DOCTYPE)
        return None, self._simple_end(start)

    def _start_tag(self, name: re.Match[str]) -> tuple[StartTag | str, int]:
        markup = self._markup
        attributes: dict[str, str] = {}
        at = name.end()
        while found := _ATTRIBUTE.match(markup, at):
            if not self._quotes_hide_ends and ">" in found[0]:
                at = markup.index(">", at)
                break
            value = found[2] or found[3] or found[4] or ""
            attributes.setdefault(found[1].lower(), _decoded(value))
            at = found.end()
        end = _TAG_END.match(markup, at)
        if end is None:
            # Each ">" in the rest is in quotes. This happens once, because it reads the rest of the markup.
            if not self._quotes_hide_ends:
                return "<", name.start()
            self._quotes_hide_ends = False
            return self._start_tag(name)
        return StartTag(name[0].lower(), attributes, end[0].endswith("/>")), end.end()

    def _raw_text(self, name: str, at: int) -> tuple[str | None, int]:
        """Return the text of an element without markup, and the position of its end tag."""
        end = self._search(_RAW_ENDS[name], at)
        if end is None:
            return None, at
        text = self._markup[at : end.start()]
        return _decoded(text) if name in _RAW_WITH_ENTITIES else None, end.start()

    def _search(self, pattern: re.Pattern[str], at: int) -> re.Match[str] | None:
        if pattern in self._missing:
            return None
        found = pattern.search(self._markup, at)
        if found is None:
            self._missing.add(pattern)
        return found

    def _simple_end(self, at: int) -> int:
        end = self._markup.find(">", at)
        return end + 1 if end >= 0 else len(self._markup)
