"""Reads the members of JSON objects that may be damaged or forged. Each reader checks the type of a value."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

T = TypeVar("T")


class MalformedError(ValueError):
    """A value does not have the required form. The message says which form that is."""


def json_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in some bytes.

    :param content: JSON in UTF-8, UTF-16 or UTF-32
    :raises MalformedError: the content is anything else
    """
    try:
        return mapping(json.loads(content))
    except RecursionError:
        raise MalformedError("it is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"it is not a JSON object ({error})") from error


def value_of(container: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> T:
    """Return a member of a JSON object.

    :param container: the object
    :param name: the member's name
    :param read: one of the readers in this module
    :raises MalformedError: the member is missing or malformed; the message names it
    """
    if name not in container:
        raise MalformedError(f"{name} is missing")
    try:
        return read(container[name])
    except MalformedError as error:
        raise MalformedError(f"{name} is {container[name]!r:.100}: {error}") from error


def or_none(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return a reader that also accepts null."""
    return lambda value: None if value is None else read(value)


def mapping(value: Any) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise MalformedError("it must be an object")
    return value


def array(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise MalformedError("it must be a list")
    return value


def string(value: Any) -> str:
    """Return a string, which may be empty."""
    if not isinstance(value, str):
        raise MalformedError("it must be a string")
    return value


def text(value: Any) -> str:
    """Return a string that is not empty."""
    if not string(value):
        raise MalformedError("it must not be empty")
    return str(value)


def matching(pattern: str) -> Callable[[Any], str]:
    """Return a reader of strings that match a regular expression."""
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        if not compiled.fullmatch(string(value)):
            raise MalformedError(f"it must have the form {pattern}")
        return str(value)

    return read


def one_of(allowed: Collection[str]) -> Callable[[Any], str]:
    """Return a reader of some strings."""

    def read(value: Any) -> str:
        if string(value) not in allowed:
            raise MalformedError(f"it must be one of {', '.join(sorted(allowed))}")
        return str(value)

    return read


def time_with_offset(value: Any) -> str:
    """Return a time in ISO 8601 with a UTC offset."""
    try:
        moment = datetime.fromisoformat(string(value))
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if moment.tzinfo is None:
        raise MalformedError("it must have a UTC offset")
    return str(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise MalformedError("it must be true or false")
    return value


def integer(value: Any) -> int:
    """Return an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedError("it must be an integer")
    return value


def count(value: Any) -> int:
    """Return an integer of at least 0."""
    if integer(value) < 0:
        raise MalformedError("it must be at least 0")
    return int(value)


def seconds(value: Any) -> float:
    """Return a finite number of at least 0."""
    number = float(value) if isinstance(value, float) else _float(integer(value))
    if not math.isfinite(number) or number < 0:
        raise MalformedError("it must be a number of at least 0")
    return number


def _float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
