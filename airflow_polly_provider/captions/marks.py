"""Reads speech marks: lines of JSON with the time and the place of each sentence and word.

``time`` is in milliseconds, ``start`` and ``end`` are byte offsets into the UTF-8 text:
https://docs.aws.amazon.com/polly/latest/dg/output.html
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class BinaryFile(Protocol):
    """What is needed of an open file."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


SENTENCE, WORD = "sentence", "word"

_CHUNK_BYTES = 1 << 18
_MAX_LINE_BYTES = 16 << 20
"""The longest line. A sentence can be as long as Polly's longest text: 200,000 characters, each of up to 12
bytes.
"""
_MAX_STEP_BACK_MS = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")


class Mark(NamedTuple):
    """The speech mark of a sentence or of a word.

    :param time_ms: its time in milliseconds
    :param kind: ``sentence`` or ``word``
    :param start: the position of its text, in bytes
    :param end: the position after its text, in bytes
    :param value: its text
    """

    time_ms: int
    kind: str
    start: int
    end: int
    value: str


class _InvalidMarkError(Exception):
    """A line is not a speech mark; the text is the reason."""


def read_marks(marks: bytes | str | os.PathLike[str] | BinaryFile | Iterable[bytes]) -> Iterator[Mark]:
    """Yield the speech marks of sentences and words, in the order of the file.

    Marks of other types are skipped. The times never decrease: a mark that is up to one second earlier than
    the one before it gets the same time.

    :param marks: the speech marks as bytes or str, the path of a file, a binary file object, or an iterable
        of bytes
    :raises ValueError: a line is not a speech mark, or its time is more than a second before the previous
        one; the error has the number of the line, from 1, and never its text
    """
    before = 0
    for number, line in enumerate(_lines(_chunks(marks)), 1):
        try:
            mark = _parsed(line)
            if mark is None:
                continue
            if mark.time_ms < before:
                if mark.time_ms < before - _MAX_STEP_BACK_MS:
                    raise _InvalidMarkError(  # noqa: TRY301  # one place adds the number of the line
                        f"its time is {mark.time_ms} ms, but an earlier mark has {before} ms, "
                        "as if files had been joined without moving their times"
                    )
                mark = mark._replace(time_ms=before)
            before = mark.time_ms
        except _InvalidMarkError as error:
            raise ValueError(
                f"line {number:,} of the speech marks is not valid: {error}. "
                "Read the complete file again; if the line is still not valid, make new speech marks"
            ) from None
        yield mark


def _chunks(marks: Any) -> Iterator[bytes]:
    if isinstance(marks, str):
        marks = marks.encode("utf-8", "surrogatepass")
    if isinstance(marks, bytes | bytearray | memoryview):
        for start in range(0, len(marks), _CHUNK_BYTES):
            yield bytes(marks[start : start + _CHUNK_BYTES])
    elif isinstance(marks, os.PathLike):
        with open(marks, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    elif hasattr(marks, "read"):
        while chunk := marks.read(_CHUNK_BYTES):
            yield chunk
    else:
        yield from marks


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise TypeError(
                f"speech marks must be read as bytes, not as {type(chunk).__name__}: "
                "open the file in binary mode"
            )
        held += chunk
        if b"\n" in chunk:
            *lines, rest = bytes(held).split(b"\n")
            held[:] = rest
            yield from lines
        elif len(held) > _MAX_LINE_BYTES:
            yield bytes(held)  # too long, so it is an error
    if held:
        yield bytes(held)


def _parsed(line: bytes) -> Mark | None:
    """Return a line's mark; None if it is an empty line or another type of mark."""
    members = _members(line)
    if members is None:
        return None
    time_ms, kind = _integer(members, "time"), members.get("type")
    if not isinstance(kind, str):
        raise _InvalidMarkError("'type' is missing, or is not a string")
    if kind not in (SENTENCE, WORD):
        return None
    start, end, value = _integer(members, "start"), _integer(members, "end"), members.get("value")
    if end < start:
        raise _InvalidMarkError(f"'end' is {end}, but 'start' is {start}")
    if not isinstance(value, str):
        raise _InvalidMarkError("'value' is missing, or is not a string")
    # U+FFFD has as many bytes as a surrogate, which no file may contain.
    return Mark(time_ms, kind, start, end, value if value.isascii() else _SURROGATE.sub("\ufffd", value))


def _members(line: bytes) -> dict[str, Any] | None:
    """Return the members of a line's JSON object; None if the line is empty."""
    if len(line) > _MAX_LINE_BYTES:
        raise _InvalidMarkError(f"it has more than {_MAX_LINE_BYTES:,} bytes")
    try:
        text = line.decode()
        if not text.strip():
            return None
        members = json.loads(text)
    except UnicodeDecodeError as error:
        raise _InvalidMarkError(f"its byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _InvalidMarkError(f"its character {error.pos + 1} is not JSON") from None
    except (ValueError, RecursionError):  # too many digits, or too many levels
        raise _InvalidMarkError("it is not usable JSON") from None
    if not isinstance(members, dict):
        raise _InvalidMarkError("it is not a JSON object")
    return members


def _integer(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    if type(value) is not int or value < 0:
        raise _InvalidMarkError(f"{name!r} is missing, or is not a whole number of at least 0")
    return value
