"""The XCom form of Polly's SynthesisTask.

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
    "DurationSeconds",
    "EstimatedCost",
)
"""The fields that are pushed to XCom under separate keys, in addition to ``return_value``, if they exist."""

STATUS_XCOM_KEYS = ("TaskId", "TaskStatus", "TaskStatusReason")
"""The fields that are pushed as soon as they are known, even if the task then fails."""


class SynthesisTaskXCom(TypedDict):
    """The ``return_value`` of a task that starts, gets or waits for a synthesis task.

    If the parameter of a later ``@task`` is annotated with this class, a type checker knows the keys. The
    names are AWS's own, and each value is JSON-safe. Keys that Polly leaves out are absent.
    """

    TaskId: str
    TaskStatus: str
    """``scheduled``, ``inProgress``, ``completed`` or ``failed``."""
    OutputUri: str
    """The location of the output, as an https address."""
    OutputS3Uri: NotRequired[str]
    """The same location as ``s3://bucket/key``; absent if ``OutputUri`` does not name an S3 object."""
    CreationTime: str
    """The time in ISO 8601 format, with the offset from UTC."""
    RequestCharacters: int
    """Billed characters; 0 if ``Unchanged`` is True."""
    SpokenCharacters: int
    """The billed length of the text; if ``Unchanged`` is True, the number billed when the audio was made."""
    DurationSeconds: NotRequired[float]
    """The duration of the audio in seconds, rounded to 3 decimals.

    Absent for Ogg files and speech marks, and if the synthesis task has not completed. Also absent if the
    object's size was not read: S3 denies ``s3:GetObject`` or does not respond, or ``[aws_polly]
    measure_duration`` is False.
    """
    EstimatedCost: NotRequired[float]
    """The cost of ``RequestCharacters`` in your currency; absent if the engine has no price."""
    OutputFormat: str
    OutputContainer: NotRequired[str]
    """``wav`` if the start operator has ``output_container="wav"``; otherwise absent."""
    VoiceId: str
    RequestDigest: NotRequired[str]
    """A hash of the request; only from the start operator and ``@task.polly``."""
    Unchanged: NotRequired[bool]
    """Only with ``skip_if_unchanged``: whether the audio was up to date and nothing was started or billed."""
    TaskStatusReason: NotRequired[str]
    Engine: NotRequired[str]
    LanguageCode: NotRequired[str]
    LexiconNames: NotRequired[list[str]]
    SampleRate: NotRequired[str]
    SnsTopicArn: NotRequired[str]
    SpeechMarkTypes: NotRequired[list[str]]
    TextType: NotRequired[str]


def to_xcom_value(synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a SynthesisTask in the form that the operators and the sensor push.

    The result has AWS's own key names and every field of the response. It also has ``OutputS3Uri`` if
    ``OutputUri`` names an S3 object, and ``SpokenCharacters`` if the response has ``RequestCharacters``. It
    is JSON-safe, with ``CreationTime`` as an ISO 8601 string.

    :param synthesis_task: a SynthesisTask as boto3 returns it, or one that was already converted
    """
    value = {
        name: field.isoformat() if isinstance(field, datetime) else field
        for name, field in synthesis_task.items()
    }
    # RequestCharacters is 0 for an unchanged object. output/placement.py sets its SpokenCharacters.
    if "RequestCharacters" in value and not value.get("Unchanged"):
        value.setdefault("SpokenCharacters", value["RequestCharacters"])
    if output_uri := value.get("OutputUri"):
        try:
            value["OutputS3Uri"] = parse_output_uri(output_uri).uri
        except ValueError as error:
            # An error here would fail the Airflow task, and the next try would pay for the same audio again.
            log.warning("%s; OutputS3Uri is left out.", error)
    return value


def synthesis_task_id_of(value: str | Mapping[str, Any]) -> str:
    """Return Polly's ``TaskId`` from a string or from a SynthesisTask in its XCom form.

    :param value: a TaskId, or a mapping with the key ``TaskId``
    :raises PollyInvalidRequestError: the value has no TaskId
    """
    if isinstance(value, Mapping) and value.get("DryRun"):
        raise PollyInvalidRequestError(
            "synthesis_task_id is the report of a dry run, which started no synthesis task. Set "
            "dry_run=False in the upstream task, or skip this task after a dry run."
        )
    task_id = value.get("TaskId") if isinstance(value, Mapping) else value
    if not isinstance(task_id, str) or not task_id.strip():
        raise PollyInvalidRequestError(
            "synthesis_task_id must be Polly's TaskId or a SynthesisTask with the key 'TaskId', "
            f"not {type(value).__name__} {value!r:.100}. Give the start operator's output, such as "
            "start.output."
        )
    # Jinja renders a missing value as "None", and a whole SynthesisTask as a string that begins with "{".
    if task_id.strip() == "None" or task_id.lstrip().startswith("{"):
        raise PollyInvalidRequestError(
            f"synthesis_task_id rendered to {task_id!r:.100}, which is not a TaskId. Replace the "
            "template with the start operator's output, such as start.output, or with "
            "{{ ti.xcom_pull(task_ids='start', key='TaskId') }}."
        )
    return task_id
