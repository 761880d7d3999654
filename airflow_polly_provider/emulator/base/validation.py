"""Values held to the shapes of the service model, which botocore's own validator does only in part."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

# A broken pattern is a ValidationException, as reported for the bucket (aws-sdk-js 2644) and the key prefix
# (boto3 2429). For these two members no report is known, and a class of their own exists.
PATTERN_ERRORS = {"TaskId": "InvalidTaskIdException", "SnsTopicArn": "InvalidSnsTopicArnException"}


def validate(shape: Any, value: Any, path: str) -> None:
    """Hold a value to its shape: types, required members, enums, patterns, lengths and bounds.

    :param shape: a botocore shape.
    :param value: as parsed from JSON or from the request's line and headers.
    :param path: where the value stands in the request, for the message.
    :raises ApiError: for the first thing that does not fit.
    """
    check = _CHECKS.get(shape.type_name)
    if check is not None:
        check(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise ApiError("SerializationException", f"'{path}' is to be an object")
    for name in shape.required_members:
        if value.get(name) is None:
            raise invalid(f"1 validation error detected: '{name}' is required", field=name)
    for name, member in shape.members.items():
        if value.get(name) is not None:
            validate(member, value[name], f"{path}.{name}" if path else name)


def _string(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise ApiError("SerializationException", f"'{path}' is to be a string")
    if not _is_text(value):
        raise ApiError("SerializationException", f"'{path}' holds half a surrogate pair")
    allowed = shape.enum
    if allowed and value not in allowed:
        raise invalid(
            f"1 validation error detected: '{value[:100]}' at '{path}' is none of {', '.join(allowed)}",
            field=path,
        )
    _bounds(shape, len(value), path, "length")
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not _compiled(pattern).fullmatch(value):
        message = (
            f"1 validation error detected: Value '{value[:100]}' at '{path}' "
            f"failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
        )
        if shape.name in PATTERN_ERRORS:
            raise ApiError(PATTERN_ERRORS[shape.name], message)
        raise invalid(message, field=path)


def _integer(shape: Any, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError("SerializationException", f"'{path}' is to be a whole number")
    _bounds(shape, value, path, "value")


def _boolean(_: Any, value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise ApiError("SerializationException", f"'{path}' is to be true or false")


def _list(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise ApiError("SerializationException", f"'{path}' is to be a list")
    _bounds(shape, len(value), path, "length")
    for index, item in enumerate(value):
        validate(shape.member, item, f"{path}.{index + 1}.member")


def _map(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise ApiError("SerializationException", f"'{path}' is to be a map")
    _bounds(shape, len(value), path, "length")
    for key, item in value.items():
        validate(shape.key, key, f"{path}.key")
        validate(shape.value, item, f"{path}.value")


_CHECKS: dict[str, Callable[[Any, Any, str], None]] = {
    "structure": _structure,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "boolean": _boolean,
    "list": _list,
    "map": _map,
}


def _bounds(shape: Any, number: int, path: str, what: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and number < least) or (most is not None and number > most):
        raise invalid(
            f"1 validation error detected: the {what} {number} at '{path}' is not within "
            f"{'any' if least is None else least} and {'any' if most is None else most}",
            field=path,
        )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
