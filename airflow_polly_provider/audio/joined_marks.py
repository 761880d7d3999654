"""Moves the speech marks of a piece to its position in the joined file.

Speech marks are lines of JSON. ``time`` is in milliseconds, ``start`` and ``end`` are byte offsets into the
UTF-8 text: https://docs.aws.amazon.com/polly/latest/dg/output.html
"""

from __future__ import annotations

import json
import re

_MAX_LINE_BYTES = 16 << 20
"""The longest line. A sentence can be as long as Polly's longest text: 200,000 characters, each of up to 12
bytes.
"""

_DECODER = json.JSONDecoder()
_WHITE_SPACE = re.compile("[ \t\n\r]*")

_NUMBER = "(0|[1-9][0-9]{0,14})"
_STRING = r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"'
# This covers the lines that Polly writes. It is several times as fast as reading the members one by one.
_POLLYS_FORM = re.compile(
    rf'\{{"time":{_NUMBER}(,"type":{_STRING})(?:,"start":{_NUMBER},"end":{_NUMBER})?(,"value":{_STRING}\}})'
)


class MarkShifter:
    """Adds a piece's position to its speech marks, while they are read.

    Everything else in a line stays the same.

    :param name: the name of the piece in errors, for example "piece 3 of 40"
    :param time_ms: the start of the piece in the joined file, in milliseconds
    :param text_bytes: the position of the piece's text in the whole text, in bytes of UTF-8. It is negative
        if the piece has more markup in front of its text than the whole text has
    :param latest_ms: the latest time of a mark in the joined file, in milliseconds; later marks get this time
    """

    def __init__(self, name: str, *, time_ms: int, text_bytes: int, latest_ms: int | None = None) -> None:
        self._name = name
        self._latest_ms = latest_ms
        self._shifts = {"time": time_ms, "start": text_bytes, "end": text_bytes}
        self._held = bytearray()
        self._searched = 0
        self.lines = 0
        """The number of lines so far."""

    def feed(self, chunk: bytes) -> bytes:
        """Process the next bytes, and return the lines that they complete.

        :param chunk: any number of bytes
        :raises ValueError: a line is not a speech mark; the error has its number, from 1
        """
        self._held += chunk
        end = self._held.rfind(b"\n", self._searched) + 1
        lines = bytes(self._held[:end]).split(b"\n")[:-1]
        del self._held[:end]
        self._searched = len(self._held)
        moved = b"".join(map(self._shifted, lines))
        self._validate_size(self._searched, self.lines + 1)
        return moved

    def finish(self) -> bytes:
        """Return the last line, if it has no line end. The result has one, so that other lines can follow.

        :raises ValueError: the line is not a speech mark
        """
        last = bytes(self._held)
        self._held.clear()
        return self._shifted(last) if last else b""

    def _shifted(self, line: bytes) -> bytes:
        self.lines += 1
        self._validate_size(len(line), self.lines)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise self._invalid(f"its byte {error.start + 1} is not UTF-8", self.lines) from None
        try:
            return f"{self._shifted_text(text)}\n".encode()
        except json.JSONDecodeError as error:
            # The error itself would show the text.
            raise self._invalid(f"its character {error.pos + 1} is not JSON", self.lines) from None
        except RecursionError:
            raise self._invalid("it has too many levels", self.lines) from None

    def _validate_size(self, size: int, number: int) -> None:
        if size > _MAX_LINE_BYTES:
            raise self._invalid(f"it has more than {_MAX_LINE_BYTES:,} bytes", number)

    def _shifted_text(self, line: str) -> str:
        """Return a line with the numbers moved."""
        if (found := _POLLYS_FORM.fullmatch(line)) is None:
            return self._shifted_members(line)
        time, kind, start, end, value = found.groups()
        moved = f'{{"time":{self._moved("time", int(time))}{kind}'
        if start is not None:
            start, end = self._moved("start", int(start)), self._moved("end", int(end))
            moved += f',"start":{start},"end":{end}'
        return moved + value

    def _shifted_members(self, line: str) -> str:
        """Return a line of any form with the numbers moved.

        The members are read one by one to find the positions of their values, because writing the line again
        would change escapes and spaces.
        """
        at = self._after(line, 0, "{")
        kept, done, found = [], 0, set()
        while True:
            key, at = self._value(line, at)
            if not isinstance(key, str):
                raise self._invalid("the name of a member is not a string", self.lines)
            start = _skip(line, self._after(line, at, ":"))
            value, at = self._value(line, start)
            if key in self._shifts:
                if key in found:
                    raise self._invalid(f"it has {key!r} twice", self.lines)
                found.add(key)
                kept += [line[done:start], str(self._moved(key, value))]
                done = at
            at = _skip(line, at)
            if line[at : at + 1] == "}":
                break
            at = self._after(line, at, ",")
        if _skip(line, at + 1) != len(line):
            raise json.JSONDecodeError("text after the object", line, at + 1)
        if "time" not in found:
            raise self._invalid("it has no 'time'", self.lines)
        return "".join(kept) + line[done:]

    def _moved(self, key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._invalid(f"{key!r} is not an integer", self.lines)
        moved = value + self._shifts[key]
        if value < 0 or moved < 0:
            raise self._invalid(f"{key!r} is {value}, and would be {moved} in the joined file", self.lines)
        if key == "time" and self._latest_ms is not None:
            return min(moved, max(self._latest_ms, 0))
        return moved

    def _value(self, line: str, at: int) -> tuple[object, int]:
        at = _skip(line, at)
        try:
            return _DECODER.raw_decode(line, at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of more than 4,300 digits
            raise json.JSONDecodeError("not a usable number", line, at) from None

    def _after(self, line: str, at: int, character: str) -> int:
        """Return the position after a character that must follow."""
        at = _skip(line, at)
        if line[at : at + 1] != character:
            raise json.JSONDecodeError(f"{character} is missing", line, at)
        return at + 1

    def _invalid(self, reason: str, number: int) -> ValueError:
        return ValueError(f"line {number:,} of the speech marks of {self._name} is not valid: {reason}")


def _skip(line: str, at: int) -> int:
    """Return the position after white space."""
    found = _WHITE_SPACE.match(line, at)
    return at if found is None else found.end()
