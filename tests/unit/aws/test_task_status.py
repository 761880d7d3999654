from __future__ import annotations

import pytest

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus, failure_of
from airflow_polly_provider.exceptions import PollyFinalError, PollySynthesisTaskFailedError
from tests.unit.support import synthesis_task, values_of


class TestTaskStatus:
    def test_has_exactly_the_values_of_the_service_model(self) -> None:
        assert {status.value for status in TaskStatus} == set(values_of("TaskStatus"))

    def test_only_completed_and_failed_end_a_wait(self) -> None:
        assert {"completed", "failed"} == TERMINAL_STATUSES


# Reported publicly by users; the typo is Polly's.
REASON = (
    "Error occurred while trying to upload file to S3. Please verify that the bucket existsin this region "
    "and you have permission to write objects to the specified bucket."
)


class TestFailure:
    @pytest.mark.parametrize(
        "hint", ["bucket exists", "region that Polly was called in", "s3:PutObject", "kms:GenerateDataKey"]
    )
    def test_with_pollys_s3_upload_reason_names_both_possible_causes(self, hint: str) -> None:
        message = str(failure_of(synthesis_task("t1", "failed", TaskStatusReason=REASON), final=False))
        assert hint in message.replace(REASON.rstrip("."), "")

    @pytest.mark.parametrize(
        ("reason", "hint"),
        [
            ("Error occurred while trying to upload file to S3: Access Denied", "s3:PutObject"),
            ("The specified bucket does not exist", "bucket exists"),
            ("The bucket is in this region: eu-west-1", "region that Polly was called in"),
            ("Could not publish to the SNS topic", "sns:Publish"),
            ("You have no permission to publish to the topic in this region", "sns:Publish"),
        ],
    )
    def test_message_names_the_id_the_reason_and_what_to_do(self, reason: str, hint: str) -> None:
        error = failure_of(synthesis_task("t1", "failed", TaskStatusReason=reason), final=False)
        assert "t1" in str(error)
        assert reason in str(error)
        assert hint in str(error)
        assert (error.synthesis_task_id, error.task_status, error.task_status_reason) == (
            "t1",
            "failed",
            reason,
        )

    def test_without_a_reason_says_that_polly_gave_none(self) -> None:
        assert str(failure_of({"TaskId": "t1"}, final=False)) == (
            "Synthesis task t1 failed: Polly gave no reason."
        )

    @pytest.mark.parametrize("final", [True, False])
    def test_is_final_only_if_the_caller_says_so(self, final: bool) -> None:
        error = failure_of(synthesis_task("t1", "failed"), final=final)
        assert isinstance(error, PollySynthesisTaskFailedError)
        assert isinstance(error, PollyFinalError) is final
