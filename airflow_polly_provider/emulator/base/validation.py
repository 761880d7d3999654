"""Validation of requests against the service model. botocore's own validator checks only part of the model.

The messages have the format of AWS's validator, which checks the whole request and then lists every error.
For enumerations and patterns, Polly's own messages are known from public reports (node-sonos-http-api 658,
aws-sdk-js 2644). For lengths, bounds, missing members and lists, this module uses the messages of other AWS
services.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.emulator.base.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# If a value does not match its pattern, Polly returns a ValidationException. This was reported for the bucket
# (aws-sdk-js 2644) and the key prefix (boto3 2429). For the two shapes below, no report is known, so the
# emulator uses the specific error class from the service model.
PATTERN_ERRORS = {"TaskId": "InvalidTaskIdException", "SnsTopicArn": "InvalidSnsTopicArnException"}
_KEY_PREFIX = "OutputS3KeyPrefix"
_KEY_PREFIX_MESSAGE = "Invalid output S3 key prefix"
_MUST_NOT_BE_NULL = "Member must not be null"
_LONGEST_VALUE = 1000


class _Broken(NamedTuple):
    """A constraint that a value violates.

    :param shape: the name of the value's shape.
    :param path: the value's position in the request, as AWS spells it.
    :param value: the value, as AWS writes it.
    :param constraint: the violated constraint.
    """

    shape: str
    path: str
    value: str
    constraint: str

    def __str__(self) -> str:
        return f"Value {self.value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


def validate(shape: Any, value: Any) -> None:
    """Check a request against its shape: types, required members, enumerations, patterns and bounds.

    :param shape: botocore's shape of the request.
    :param value: the members, parsed from JSON or from the request line and headers.
    :raises ApiError: for the first value of a wrong type, or for all values that violate a constraint.
    """
    broken = list(_broken(shape, value, ""))
    if not broken:
        return
    first = broken[0]
    count = "1 validation error" if len(broken) == 1 else f"{len(broken)} validation errors"
    message = f"{count} detected: {'; '.join(map(str, broken))}"
    breaks_pattern = len(broken) == 1 and first.constraint.startswith(_PATTERN)
    if breaks_pattern and first.shape in PATTERN_ERRORS:
        raise ApiError(PATTERN_ERRORS[first.shape], message)
    detail = None
    if breaks_pattern and first.shape == _KEY_PREFIX:
        detail, message = str(first), _KEY_PREFIX_MESSAGE
    fields = [{"name": each.path, "message": str(each)} for each in broken]
    raise ApiError(
        "ValidationException", message, reason="fieldValidationFailed", fields=fields, detail=detail
    )


def _broken(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    check = _CHECKS.get(shape.type_name)
    if check is not None:
        yield from check(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    if not isinstance(value, dict):
        raise ApiError("SerializationException", f"'{path}' must be an object")
    for name, member in shape.members.items():
        member_path = f"{path}.{_lower_first(name)}" if path else _lower_first(name)
        if value.get(name) is not None:
            yield from _broken(member, value[name], member_path)
        elif name in shape.required_members:
            yield _Broken(member.name, member_path, "null", _MUST_NOT_BE_NULL)


def _string(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    if not isinstance(value, str):
        raise ApiError("SerializationException", f"'{path}' must be a string")
    if not _is_text(value):
        raise ApiError("SerializationException", f"'{path}' contains half of a surrogate pair")
    written = f"'{value[:_LONGEST_VALUE]}'"
    for constraint, holds in _constraints_of_string(shape):
        if not holds(value):
            yield _Broken(shape.name, path, written, constraint)


def _integer(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError("SerializationException", f"'{path}' must be a whole number")
    for constraint, holds in _bounds(shape, "value"):
        if not holds(value):
            yield _Broken(shape.name, path, f"'{value}'", constraint)


def _boolean(_: Any, value: Any, path: str) -> Iterator[_Broken]:
    if not isinstance(value, bool):
        raise ApiError("SerializationException", f"'{path}' must be true or false")
    yield from ()


def _list(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    if not isinstance(value, list):
        raise ApiError("SerializationException", f"'{path}' must be a list")
    written = f"'[{', '.join(map(str, value))[:_LONGEST_VALUE]}]'"
    for constraint, holds in _bounds(shape, "length"):
        if not holds(len(value)):
            yield _Broken(shape.name, path, written, constraint)
    member = shape.member
    if member.type_name != "string":
        for index, item in enumerate(value):
            yield from _broken(member, item, f"{path}.{index + 1}.member")
    elif any([*_string(member, item, f"{path}.{index + 1}.member")] for index, item in enumerate(value)):
        allowed = ", ".join(constraint for constraint, _ in _constraints_of_string(member))
        yield _Broken(member.name, path, written, f"Member must satisfy constraint: [{allowed}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[_Broken]:
    if not isinstance(value, dict):
        raise ApiError("SerializationException", f"'{path}' must be a map")
    for constraint, holds in _bounds(shape, "length"):
        if not holds(len(value)):
            yield _Broken(shape.name, path, f"'{value}'", constraint)
    for key, item in value.items():
        yield from _broken(shape.key, key, f"{path}.key")
        yield from _broken(shape.value, item, f"{path}.value")


_CHECKS: dict[str, Callable[[Any, Any, str], Iterator[_Broken]]] = {
    "structure": _structure,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "boolean": _boolean,
    "list": _list,
    "map": _map,
}
_PATTERN = "Member must satisfy regular expression pattern: "


@functools.cache
def _constraints_of_string(shape: Any) -> list[tuple[str, Callable[[str], bool]]]:
    constraints: list[tuple[str, Callable[[str], bool]]] = [
        (constraint, lambda text, holds=holds: holds(len(text)))  # type: ignore[misc]
        for constraint, holds in _bounds(shape, "length")
    ]
    pattern = shape.metadata.get("pattern")
    if pattern is not None:
        matches = re.compile(pattern).fullmatch
        constraints.append((_PATTERN + pattern, lambda text: matches(text) is not None))
    if shape.enum:
        values = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        constraints.append((values, frozenset(shape.enum).__contains__))
    return constraints


@functools.cache
def _bounds(shape: Any, what: str) -> list[tuple[str, Callable[[int], bool]]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    bounds: list[tuple[str, Callable[[int], bool]]] = []
    if most is not None:
        bounds.append(
            (f"Member must have {what} less than or equal to {most}", lambda number: number <= most)
        )
    if least is not None:
        bounds.append(
            (f"Member must have {what} greater than or equal to {least}", lambda number: number >= least)
        )
    return bounds


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
