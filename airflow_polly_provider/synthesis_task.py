"""Polly's SynthesisTask: its status, where its output lies, and its form in XCom.

Source of the fields: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesisTask.html
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict
from urllib.parse import urlsplit

from airflow_polly_provider.exceptions import (
    PollyInvalidRequestError,
    PollySynthesisTaskFailedError,
    PollySynthesisTaskFailedFinalError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

SYNTHESIS_TASK_LIFETIME_SECONDS = 72 * 60 * 60
"""How long Polly knows a synthesis task.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html
"""

OWN_XCOM_KEYS = ("TaskId", "TaskStatus", "OutputUri", "OutputS3Uri", "RequestCharacters")
"""The fields that are pushed to XCom under a key of their own, besides ``return_value``."""


class TaskStatus(StrEnum):
    """Polly's ``TaskStatus``."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    FAILED = "failed"


TERMINAL_STATUSES = frozenset({TaskStatus.COMPLETED.value, TaskStatus.FAILED.value})
"""A synthesis task in one of these never changes again. Any other status, known or new, is waited on."""


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
    """Billed characters."""
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


class SpeechXCom(TypedDict):
    """What the operator that speaks at once pushes as ``return_value``: no synthesis task, so no TaskId.

    Besides where the audio lies and what it cost, what was asked for, but for the text.
    """

    OutputUri: str
    """Where the output lies: an https address in S3, else the path of the file."""
    OutputS3Uri: NotRequired[str]
    """``s3://bucket/key``; absent where the output is not in S3."""
    RequestCharacters: int
    """Billed characters."""
    ContentType: str
    """Such as ``audio/mpeg``."""
    OutputFormat: str
    VoiceId: str
    Engine: NotRequired[str]
    LanguageCode: NotRequired[str]
    LexiconNames: NotRequired[list[str]]
    SampleRate: NotRequired[str]
    SpeechMarkTypes: NotRequired[list[str]]
    TextType: NotRequired[str]


class S3Location(NamedTuple):
    """A place in S3."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The location as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


_REGION = r"[a-z]+(?:-[a-z]+)+-\d+"
_VIRTUAL_HOST = re.compile(rf"^(?P<bucket>.+)\.s3(?:\.amazonaws\.com$|[.-](?:dualstack\.)?{_REGION}\.)")


def parse_output_uri(output_uri: str) -> S3Location:
    """Tell where in S3 an ``OutputUri`` points.

    Polly documents ``https://s3.<region>.amazonaws.com/<bucket>/<key>``; the virtual-host form
    (``https://<bucket>.s3.<region>.amazonaws.com/<key>``) and ``s3://`` are read as well. The key is all
    that follows the bucket, taken literally: Polly allows ``?``, ``&`` and ``+`` in a prefix.

    :param output_uri: ``OutputUri`` of a SynthesisTask
    :raises ValueError: when there is no bucket or no key in it
    """
    # A "?" or "#" belongs to the key, so only scheme and host are left to urlsplit.
    scheme, separator, rest = output_uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        bucket, key = host, path
    elif virtual := _VIRTUAL_HOST.match(urlsplit(f"//{host}").hostname or ""):
        bucket, key = virtual["bucket"], path
    else:
        bucket, _, key = path.partition("/")
    if not (separator and bucket and key):
        raise ValueError(f"OutputUri {output_uri!r} names no S3 bucket and key")
    return S3Location(bucket, key)


def to_xcom_value(synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a SynthesisTask in the form that operators and sensor push.

    AWS's own key names, every field that the service gave, and ``OutputS3Uri`` where ``OutputUri`` names an
    S3 object; JSON-safe, with ``CreationTime`` as an ISO 8601 string.

    :param synthesis_task: a SynthesisTask as boto3 returns it, or one that was converted before
    """
    value = {
        name: field.isoformat() if isinstance(field, datetime) else field
        for name, field in synthesis_task.items()
    }
    if output_uri := value.get("OutputUri"):
        try:
            value["OutputS3Uri"] = parse_output_uri(output_uri).uri
        except ValueError as error:
            # Failing here would start, and bill, a finished synthesis task once more at the next try.
            log.warning("%s; OutputS3Uri is left out.", error)
    return value


def push_own_xcom_keys(context: Context, value: Mapping[str, Any]) -> None:
    """Push each of :data:`OWN_XCOM_KEYS` that ``value`` holds under its own key.

    :param context: the running task's context
    :param value: what :func:`to_xcom_value` returned
    """
    for key in OWN_XCOM_KEYS:
        if key in value:
            context["ti"].xcom_push(key=key, value=value[key])


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
    return task_id


def only_older_follow(page: Sequence[Mapping[str, Any]], not_before: datetime) -> bool:
    """Tell from a page of a list whether only tasks can follow that are too old.

    ListSpeechSynthesisTasks orders by creation date, in a direction that is not documented: so only where
    this page itself goes from newer to older, down to one that is too old.

    :param page: SynthesisTasks of one answer, in its order
    :param not_before: tasks created earlier are too old
    """
    created = [task["CreationTime"] for task in page if "CreationTime" in task]
    newest_first = all(a >= b for a, b in itertools.pairwise(created)) and created[:1] > created[-1:]
    return newest_first and created[-1] < not_before


_REASON_HINTS = (
    (
        re.compile(r"region", re.IGNORECASE),
        "The output bucket must lie in the region that Polly was called in",
    ),
    (
        re.compile(r"access|denied|permission|authoriz|forbidden", re.IGNORECASE),
        "Polly writes with the caller's permissions: allow s3:PutObject on the output bucket and key prefix "
        "(and kms:GenerateDataKey where the bucket is encrypted with a KMS key)",
    ),
    (
        re.compile(r"bucket|s3", re.IGNORECASE),
        "Check that the output bucket exists, in the region that Polly was called in, and that the caller "
        "may s3:PutObject into it",
    ),
    (
        re.compile(r"sns|topic", re.IGNORECASE),
        "Check that sns_topic_arn exists in the same region and that the caller may sns:Publish to it",
    ),
)


def failure_of(synthesis_task: Mapping[str, Any], *, final: bool) -> PollySynthesisTaskFailedError:
    """Return the error for a SynthesisTask whose TaskStatus is ``failed``.

    :param synthesis_task: the SynthesisTask
    :param final: whether a retry of the Airflow task could only meet the same synthesis task again
    """
    task_id, reason = synthesis_task.get("TaskId"), synthesis_task.get("TaskStatusReason")
    told = reason.rstrip(". ") if reason else "Polly gave no reason"
    hint = next((f" {hint}." for pattern, hint in _REASON_HINTS if reason and pattern.search(reason)), "")
    error_class = PollySynthesisTaskFailedFinalError if final else PollySynthesisTaskFailedError
    return error_class(
        f"Synthesis task {task_id} failed: {told}.{hint}",
        synthesis_task_id=task_id,
        task_status=synthesis_task.get("TaskStatus"),
        task_status_reason=reason,
    )
