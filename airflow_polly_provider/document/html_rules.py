"""What HTML's elements mean for a listener: paragraphs, voids, and what is not spoken.

Sources: https://html.spec.whatwg.org/multipage/syntax.html#optional-tags,
https://www.w3.org/TR/epub-ssv-11/, https://www.w3.org/TR/dpub-aria-1.1/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"),
        *("dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "html", "legend", "li"),
        *("main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "tbody"),
        *("td", "tfoot", "th", "thead", "tr", "ul"),
    )
)
"""Elements that begin and end a paragraph."""

VOIDS = frozenset(
    (
        *("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input"),
        *("keygen", "link", "meta", "param", "source", "track", "wbr"),
    )
)
"""Elements without content and end tag."""

HEADINGS = {f"h{level}": level for level in range(1, 7)}
"""Levels of the headings, by name."""

_ROWS = frozenset({"thead", "tbody", "tfoot"})
_CELLS = frozenset({"td", "th"})
ENDED_BY = {
    **dict.fromkeys(HEADINGS, frozenset(HEADINGS)),
    "body": frozenset({"head"}),
    "li": frozenset({"li"}),
    **dict.fromkeys(("dt", "dd"), frozenset({"dt", "dd"})),
    **dict.fromkeys(_CELLS, _CELLS),
    "tr": _CELLS | {"tr"},
    **dict.fromkeys(_ROWS, _CELLS | _ROWS | {"tr"}),
    **dict.fromkeys(("rb", "rt", "rp", "rtc"), frozenset({"rt", "rp"})),
}
"""Elements without an end tag that the start of another element ends, by the name of the other one."""

# Scripts, styles, navigation, form fields, ruby, images, and alternatives to what a browser shows.
_NOT_SPOKEN = frozenset(
    (
        *("script", "style", "template", "title", "nav", "noscript", "noembed", "noframes", "iframe"),
        *("object", "audio", "video", "canvas", "svg", "datalist", "select", "textarea", "rt", "rp"),
        *("rtc", "annotation", "annotation-xml"),
    )
)
# The numbers of printed pages, the notes, and the marks that refer to them and back.
_NOT_SPOKEN_TYPES = frozenset(
    (
        *("noteref", "footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes", "backlink"),
        *("pagebreak",),
    )
)
_NOT_SPOKEN_ROLES = frozenset(
    (
        *("doc-noteref", "doc-footnote", "doc-endnote", "doc-endnotes", "doc-backlink", "doc-pagebreak"),
        *("navigation", "doc-toc"),
    )
)
_INVISIBLE_STYLE = re.compile(
    r"(?:^|;)\s*+(?:display\s*+:\s*+none|visibility\s*+:\s*+(?:hidden|collapse))\b", re.IGNORECASE
)
_NOTE_MARK = re.compile(
    r"\s*[\[(]?\s*(?:\d{1,4}|[a-z]|[ivxl]{1,7}|[*†‡§¶‖#]{1,4}|note \d{1,4})\s*[\])]?\s*", re.IGNORECASE
)
_LINK_SIGNS = frozenset({"¶", "#", "§", "🔗", "↩", "↩\ufe0e", "↑"})


def is_spoken(name: str, attributes: Mapping[str, str]) -> bool:
    """Return whether the content of an element is spoken, if it is in an element that is spoken.

    :param name: name in lower case, without a prefix
    :param attributes: values by name in lower case
    """
    if name in _NOT_SPOKEN:
        return False
    if not attributes:
        return True
    return not (
        "hidden" in attributes
        or attributes.get("aria-hidden", "").strip().lower() == "true"
        or not _NOT_SPOKEN_TYPES.isdisjoint(attributes.get("epub:type", "").lower().split())
        or not _NOT_SPOKEN_ROLES.isdisjoint(attributes.get("role", "").lower().split())
        or _INVISIBLE_STYLE.search(attributes.get("style", ""))
    )


def is_note_mark(text: str) -> bool:
    """Return whether a text looks like the mark of a note: a number, letter or symbol, perhaps in brackets.

    :param text: the text of a link in superscript
    """
    return _NOTE_MARK.fullmatch(text) is not None


def is_link_sign(text: str) -> bool:
    """Return whether a text is only the sign of a link, as many pages have beside each heading.

    :param text: the text of a link into a document
    """
    return text.strip() in _LINK_SIGNS
