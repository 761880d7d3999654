"""Separates YAML front matter from a Markdown file.

Only the few values that a document needs are read, so no YAML parser is used: it would expand references.
"""

from __future__ import annotations

import re

_FRONT_MATTER = re.compile(
    r"---[ \t]*+\n((?:(?!(?:---|\.\.\.)[ \t]*+$).*+\n)*+)(?:---|\.\.\.)[ \t]*+(?:\n|\Z)", re.MULTILINE
)
_ENTRY = re.compile(r"([A-Za-z][\w-]*)[ \t]*:(?:[ \t]+(.*))?$")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")


def split_front_matter(source: str) -> tuple[dict[str, str], str]:
    """Return the text values at the top level of the front matter, and the rest of the file.

    The values of a list are joined with commas. Values of other kinds are left out.

    :param source: the file, with line feeds as line ends
    """
    found = _FRONT_MATTER.match(source)
    if found is None:
        return {}, source
    lines = [line for line in found[1].split("\n") if line.strip() and not line.lstrip().startswith("#")]
    # Without entries, the lines are a paragraph between two horizontal rules.
    if lines and not _ENTRY.match(lines[0]):
        return {}, source
    values: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if entry := _ENTRY.match(line):
            name = entry[1].lower()
            values[name] = _values(entry[2] or "")
        elif line.lstrip().startswith("- ") and name:
            values[name] += _values(line.lstrip()[2:])
    return {name: ", ".join(several) for name, several in values.items() if several}, source[found.end() :]


def _values(written: str) -> list[str]:
    written = written.strip()
    if written.startswith("[") and written.endswith("]"):
        return [value for part in written[1:-1].split(",") if (value := _value(part.strip()))]
    return [value] if (value := _value(written)) else []


def _value(written: str) -> str:
    if written.startswith(('"', "'")):
        return written[1 : max(written.find(written[0], 1), 1)]
    # "|" and ">" begin a text of several lines; the others are other kinds of values.
    return (
        "" if written.startswith(("|", ">", "{", "[", "&", "*", "!")) else _COMMENT.sub("", written).strip()
    )
