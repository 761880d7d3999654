"""Polly's TaskStatus, and the error for a SynthesisTask that failed.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesisTask.html
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import (
    PollySynthesisTaskFailedError,
    PollySynthesisTaskFailedFinalError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SYNTHESIS_TASK_LIFETIME_SECONDS = 72 * 60 * 60
"""How long Polly keeps a synthesis task.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html
"""


class TaskStatus(StrEnum):
    """Polly's ``TaskStatus``."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    FAILED = "failed"


TERMINAL_STATUSES = frozenset({TaskStatus.COMPLETED.value, TaskStatus.FAILED.value})
"""The final statuses of a synthesis task. With any other status, known or unknown, a wait continues."""

# Polly gives the same reason for a missing bucket, a bucket in another region and a missing permission:
# "Error occurred while trying to upload file to S3. Please verify that the bucket existsin this region and
# you have permission to write objects to the specified bucket."
_REASON_HINTS = (
    (
        re.compile(r"\bsns\b|topic", re.IGNORECASE),
        "Check that sns_topic_arn exists in the same region and that the caller is allowed sns:Publish on it",
    ),
    (
        re.compile(r"bucket|s3|region|access|denied|permission|authoriz|forbidden", re.IGNORECASE),
        "Polly writes with the caller's permissions: check that the output bucket exists in the region that "
        "Polly was called in, and that the caller is allowed s3:PutObject on the bucket and key prefix (and "
        "kms:GenerateDataKey if the bucket is encrypted with a KMS key)",
    ),
)


def raise_if_failed(synthesis_task: Mapping[str, Any], *, final: bool) -> None:
    """Raise an error if the TaskStatus of a synthesis task is ``failed``.

    :param synthesis_task: the SynthesisTask
    :param final: whether a retry of the Airflow task would find the same failed synthesis task
    :raises PollySynthesisTaskFailedError: the synthesis task failed; the error contains Polly's reason
    """
    if synthesis_task.get("TaskStatus") == TaskStatus.FAILED:
        raise failure_of(synthesis_task, final=final)


def failure_of(synthesis_task: Mapping[str, Any], *, final: bool) -> PollySynthesisTaskFailedError:
    """Return the error for a SynthesisTask whose TaskStatus is ``failed``.

    :param synthesis_task: the SynthesisTask
    :param final: whether a retry of the Airflow task would find the same failed synthesis task
    """
    task_id, reason = synthesis_task.get("TaskId"), synthesis_task.get("TaskStatusReason")
    shown_reason = reason.rstrip(". ") if reason else "Polly gave no reason"
    hint = next((f" {hint}." for pattern, hint in _REASON_HINTS if reason and pattern.search(reason)), "")
    error_class = PollySynthesisTaskFailedFinalError if final else PollySynthesisTaskFailedError
    return error_class(
        f"Synthesis task {task_id} failed: {shown_reason}.{hint}",
        synthesis_task_id=task_id,
        task_status=synthesis_task.get("TaskStatus"),
        task_status_reason=reason,
    )
