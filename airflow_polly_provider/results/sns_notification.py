"""Conversion of the notification that Polly sends to an SNS topic when a synthesis task ends.

AWS does not document the notification. Recorded notifications (2018 and 2022) are JSON objects like this::

    {"taskId": "28e59aee-…", "taskStatus": "COMPLETED", "outputUri": "s3://my-audio/alice.28e59aee-….mp3",
     "creationTime": "2018-12-27T08:23:18.093Z", "requestCharacters": 2667, "snsTopicArn": "arn:aws:sns:…",
     "outputFormat": "Mp3", "textType": "Ssml", "voiceId": "Amy"}

The API spells the names and values differently. Case and punctuation are therefore ignored in comparisons.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.exceptions import PollyInvalidNotificationError
from airflow_polly_provider.results.synthesis_task import to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Iterator

Notification: TypeAlias = "str | bytes | Mapping[str, Any] | Sequence[Any]"
"""One or more notifications, in any envelope; see :func:`synthesis_tasks_from_notifications`."""

# The keys that contain one message: in SNS's envelope, in Lambda's record of SNS, in an SQS message from
# boto3, and in an SQS message from Lambda.
_ONE_INSIDE = ("Message", "Sns", "Body", "body")
# The keys that contain several messages: in Lambda's event, and in the response of boto3's receive_message.
_SEVERAL_INSIDE = ("Records", "Messages")
_MAX_LEVELS = 10


def synthesis_task_from_notification(message: Notification) -> dict[str, Any]:
    """Return the SynthesisTask in a Polly notification, in the form that the operators push to XCom.

    The result has AWS's own key names and values, ``CreationTime`` as an ISO 8601 string, and
    ``OutputS3Uri``. It differs from the API's result: ``OutputUri`` is an ``s3://`` URI too, and fields that
    are not in the notification are missing.

    :param message: one notification, in any form that :func:`synthesis_tasks_from_notifications` accepts: the
        ``Body`` of an SQS message, the event of a Lambda function, and so on
    :raises PollyInvalidNotificationError: the message is not a Polly notification, or contains several
        notifications or none; never retried
    """
    synthesis_tasks = synthesis_tasks_from_notifications(message)
    if len(synthesis_tasks) != 1:
        raise PollyInvalidNotificationError(
            f"Expected one Amazon Polly notification, but found {len(synthesis_tasks)}. "
            "Use synthesis_tasks_from_notifications, which accepts any number."
        )
    return synthesis_tasks[0]


def synthesis_tasks_from_notifications(messages: Notification) -> list[dict[str, Any]]:
    """Return the SynthesisTask of each notification, in order, in the form that the operators push to XCom.

    :param messages: notifications as JSON text, as its bytes (UTF-8, with or without a byte order mark) or
        parsed; raw (``RawMessageDelivery``), in SNS's envelope, in an SQS message (``Body``), in the
        ``Records`` of a Lambda function's event from SNS or SQS, in the response of ``receive_message``, or
        in a list of any of these
    :raises PollyInvalidNotificationError: one of them is not a Polly notification: it is not a JSON
        object, ``taskId`` or ``taskStatus`` is missing, or ``outputUri`` is not a string; never retried
    """
    return [_synthesis_task(notification) for notification in _unwrapped(messages, _MAX_LEVELS)]


def _unwrapped(message: Any, max_levels: int) -> Iterator[Mapping[str, Any]]:
    """Yield the notifications in a message, without their envelopes."""
    message = _parsed(message)
    if not max_levels:
        raise PollyInvalidNotificationError(
            f"Not an Amazon Polly notification: more than {_MAX_LEVELS - 1} nested envelopes."
        )
    inside: list[Any] = []
    if not isinstance(message, Mapping):
        inside = list(message)
    elif "taskId" not in message:
        found = [message[name] for name in _SEVERAL_INSIDE if isinstance(message.get(name), list)]
        inside = found[0] if found else [message[name] for name in _ONE_INSIDE if name in message][:1]
        if not found and not inside:
            yield message
    else:
        yield message
    for each in inside:
        yield from _unwrapped(each, max_levels - 1)


def _synthesis_task(notification: Mapping[str, Any]) -> dict[str, Any]:
    # The notification of a failure may lack outputUri.
    texts = {"outputUri": "none", **notification}
    for name in ("taskId", "taskStatus", "outputUri"):
        if not isinstance(texts.get(name), str) or not texts[name]:
            raise PollyInvalidNotificationError(
                f"Not an Amazon Polly notification: {name!r} is missing or not a string (keys: "
                f"{_keys_of(notification)}). Give a message that came from the topic in sns_topic_arn, and "
                "keep other messages out of the queue."
            )
    return to_xcom_value({_member_name(name): _value(name, value) for name, value in notification.items()})


def _parsed(message: Any) -> Mapping[str, Any] | Sequence[Any]:
    """Return a message that is a JSON object or a list."""
    try:
        if isinstance(message, bytes | bytearray):
            message = message.decode("utf-8")
        if isinstance(message, str):
            message = json.loads(message.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        # str(error) would quote the byte that cannot be decoded.
        why = f"not UTF-8 at byte {error.start}" if isinstance(error, UnicodeDecodeError) else f"{error}"
        raise PollyInvalidNotificationError(f"Not an Amazon Polly notification: not JSON ({why}).") from error
    if isinstance(message, str) or not isinstance(message, Mapping | Sequence):
        raise PollyInvalidNotificationError(
            f"Not an Amazon Polly notification: expected a JSON object, got {type(message).__name__}."
        )
    return message


def _keys_of(notification: Mapping[str, Any]) -> str:
    # Only the keys: messages of other senders may contain private values, which must not be logged.
    return ", ".join(sorted(map(str, notification)))[:200] or "none"


@functools.cache
def _members() -> Mapping[str, Any]:
    """Return the members of the service model's SynthesisTask by their names in a notification."""
    members = polly_shape("SynthesisTask").members
    return {_plain(name): (name, member) for name, member in members.items()}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _member_name(name: str) -> str:
    known, _ = _members().get(_plain(name), (None, None))
    return known or name[:1].upper() + name[1:]


def _value(name: str, value: Any) -> Any:
    _, shape = _members().get(_plain(name), (None, None))
    if shape is None:
        return value
    if shape.type_name == "list" and isinstance(value, list):
        return [_spelled(item, shape.member) for item in value]
    return _spelled(value, shape)


def _spelled(value: Any, shape: Any) -> Any:
    """Return a value in the API's spelling, or unchanged if the installed botocore does not know it."""
    if not isinstance(value, str):
        return value
    if shape.type_name == "timestamp":
        try:
            return datetime.fromisoformat(value).isoformat()
        except ValueError:
            return value
    if shape.type_name == "integer" and value.isdecimal():
        return int(value)
    return next((known for known in getattr(shape, "enum", ()) if _plain(known) == _plain(value)), value)
