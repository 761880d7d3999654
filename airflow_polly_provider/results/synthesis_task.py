"""Polly's SynthesisTask in its XCom form.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesisTask.html
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.exceptions import (
    PollyInvalidRequestError,
)

log = logging.getLogger(__name__)


OWN_XCOM_KEYS = (
    "TaskId",
    "TaskStatus",
    "OutputUri",
    "OutputS3Uri",
    "RequestCharacters",
    "SpokenCharacters",
)
"""The fields that are pushed to XCom under a key of their own, besides ``return_value``."""

STATUS_XCOM_KEYS = ("TaskId", "TaskStatus", "TaskStatusReason")
"""The fields that are pushed as soon as they are known, also by a task that then fails."""


class SynthesisTaskXCom(TypedDict):
    """What a task that starts, fetches or awaits a synthesis task pushes as ``return_value``.

    Annotate the parameter of a later ``@task`` with it, and a type checker knows the keys. The names are
    AWS's own; each value is JSON-safe. Keys that Polly leaves out are absent.
    """

    TaskId: str
    TaskStatus: str
    """``scheduled``, ``inProgress``, ``completed`` or ``failed``."""
    OutputUri: str
    """Where the output lies, as an https address."""
    OutputS3Uri: NotRequired[str]
    """The same as ``s3://bucket/key``; absent where ``OutputUri`` names no S3 object."""
    CreationTime: str
    """ISO 8601, with its offset from UTC."""
    RequestCharacters: int
    """Billed characters; 0 where ``Unchanged``."""
    SpokenCharacters: int
    """The billed length of the text; where ``Unchanged``, what was billed when the audio was made."""
    OutputFormat: str
    VoiceId: str
    RequestDigest: NotRequired[str]
    """A hash of the request, from the start operator and ``@task.polly``."""
    Unchanged: NotRequired[bool]
    """With ``skip_if_unchanged``: whether nothing was started, and billed."""
    TaskStatusReason: NotRequired[str]
    Engine: NotRequired[str]
    LanguageCode: NotRequired[str]
    LexiconNames: NotRequired[list[str]]
    SampleRate: NotRequired[str]
    SnsTopicArn: NotRequired[str]
    SpeechMarkTypes: NotRequired[list[str]]
    TextType: NotRequired[str]


def to_xcom_value(synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a SynthesisTask in the form that operators and sensor push.

    AWS's own key names, every field that the service gave, ``OutputS3Uri`` where ``OutputUri`` names an S3
    object, and ``SpokenCharacters`` where there are ``RequestCharacters``; JSON-safe, with ``CreationTime``
    as an ISO 8601 string.

    :param synthesis_task: a SynthesisTask as boto3 returns it, or one that was converted before
    """
    value = {
        name: field.isoformat() if isinstance(field, datetime) else field
        for name, field in synthesis_task.items()
    }
    # RequestCharacters is 0 for an unchanged object; output/placement.py adds its length.
    if "RequestCharacters" in value and not value.get("Unchanged"):
        value.setdefault("SpokenCharacters", value["RequestCharacters"])
    if output_uri := value.get("OutputUri"):
        try:
            value["OutputS3Uri"] = parse_output_uri(output_uri).uri
        except ValueError as error:
            # Failing here would start, and bill, a finished synthesis task once more at the next try.
            log.warning("%s; OutputS3Uri is left out.", error)
    return value


def synthesis_task_id_of(value: str | Mapping[str, Any]) -> str:
    """Return Polly's ``TaskId`` from itself or from a SynthesisTask as pushed to XCom.

    :param value: a TaskId, or a mapping with the key ``TaskId``
    :raises PollyInvalidRequestError: when there is no TaskId in it
    """
    task_id = value.get("TaskId") if isinstance(value, Mapping) else value
    if not isinstance(task_id, str) or not task_id.strip():
        raise PollyInvalidRequestError(
            "synthesis_task_id must be Polly's TaskId or a SynthesisTask with the key 'TaskId', "
            f"not {type(value).__name__} {value!r:.100}. Give e.g. start.output of the start operator."
        )
    # What Jinja makes of no value, and of a whole SynthesisTask.
    if task_id.strip() == "None" or task_id.lstrip().startswith("{"):
        raise PollyInvalidRequestError(
            f"synthesis_task_id rendered to {task_id!r:.100}, which is no TaskId. In place of the template, "
            "give start.output of the start operator, or write "
            "{{ ti.xcom_pull(task_ids='start', key='TaskId') }}."
        )
    return task_id
