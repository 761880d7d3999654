"""What Polly tells an SNS topic when a synthesis task ended, as the SynthesisTask that it is about.

AWS does not document the notification. Recorded ones (2018 and 2022) are JSON objects like this::

    {"taskId": "28e59aee-…", "taskStatus": "COMPLETED", "outputUri": "s3://my-audio/alice.28e59aee-….mp3",
     "creationTime": "2018-12-27T08:23:18.093Z", "requestCharacters": 2667, "snsTopicArn": "arn:aws:sns:…",
     "outputFormat": "Mp3", "textType": "Ssml", "voiceId": "Amy"}

So names and values are spelled differently from the API's, and are compared without case and punctuation.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.exceptions import PollyInvalidNotificationError
from airflow_polly_provider.results.synthesis_task import to_xcom_value


def synthesis_task_from_notification(message: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the SynthesisTask that a notification of Polly is about, as the operators push it to XCom.

    With AWS's own key names and values, ``CreationTime`` as an ISO 8601 string, and ``OutputS3Uri``. The
    notification tells less than the API: ``OutputUri`` is an ``s3://`` URI too, and what it leaves out is
    missing.

    :param message: the ``Body`` of a message that an SQS queue received from the topic, as JSON text or
        parsed; raw (``RawMessageDelivery``), or in the envelope that SNS wraps it in otherwise
    :raises PollyInvalidNotificationError: not a notification of Polly: not a JSON object, ``taskId`` or
        ``taskStatus`` is missing, or ``outputUri`` is not a string; never retried
    """
    notification = _parsed(message)
    if "taskId" not in notification and "Message" in notification:
        notification = _parsed(notification["Message"])
    # A failure may leave the object out.
    texts = {"outputUri": "none", **notification}
    for name in ("taskId", "taskStatus", "outputUri"):
        if not isinstance(texts.get(name), str) or not texts[name]:
            raise PollyInvalidNotificationError(
                f"Not an Amazon Polly notification: {name!r} is missing or not a string (keys: "
                f"{_keys_of(notification)}). Give the Body of a message that came from the topic in "
                "sns_topic_arn, and keep other messages out of the queue."
            )
    return to_xcom_value({_member_name(name): _value(name, value) for name, value in notification.items()})


def _parsed(message: Any) -> Mapping[str, Any]:
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise PollyInvalidNotificationError(
                f"Not an Amazon Polly notification: not JSON ({error})."
            ) from error
    if not isinstance(message, Mapping):
        raise PollyInvalidNotificationError(
            f"Not an Amazon Polly notification: a {type(message).__name__}, not a JSON object."
        )
    return message


def _keys_of(notification: Mapping[str, Any]) -> str:
    # The keys alone: what else lies in a queue is nobody's to log.
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
    """Return a value as the API spells it, or as it is where it is none that this botocore knows."""
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
