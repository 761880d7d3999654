from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import (
    PollyFinalError,
    PollyInvalidRequestError,
    PollySynthesisTaskFailedError,
)
from airflow_polly_provider.synthesis_task import (
    OWN_XCOM_KEYS,
    TERMINAL_STATUSES,
    TaskStatus,
    failure_of,
    parse_output_uri,
    push_own_xcom_keys,
    synthesis_task_id_of,
    to_xcom_value,
)
from tests.unit.support import as_context, context, members_of, synthesis_task, values_of

# The alphabets are those of the patterns in the service model.
buckets = st.from_regex(r"\A[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]\Z")
keys = st.from_regex(r"\A[0-9a-zA-Z/!\-_.*'():;$@=+,?&]{1,120}\Z")
regions = st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1", "ap-southeast-3"])


class TestParseOutputUri:
    @given(buckets, keys, regions)
    def test_parses_the_form_that_polly_documents(self, bucket: str, key: str, region: str) -> None:
        location = parse_output_uri(f"https://s3.{region}.amazonaws.com/{bucket}/{key}")
        assert location == (bucket, key)
        assert location.uri == f"s3://{bucket}/{key}"

    @given(buckets, keys, st.sampled_from(["s3.us-east-1", "s3-eu-west-1", "s3.dualstack.eu-west-1", "s3"]))
    def test_parses_the_virtual_host_form(self, bucket: str, key: str, service: str) -> None:
        assert parse_output_uri(f"https://{bucket}.{service}.amazonaws.com/{key}") == (bucket, key)

    @given(buckets, keys)
    def test_parses_an_s3_uri(self, bucket: str, key: str) -> None:
        assert parse_output_uri(f"s3://{bucket}/{key}") == (bucket, key)

    @pytest.mark.parametrize(
        ("uri", "bucket", "key"),
        [
            ("https://s3.cn-north-1.amazonaws.com.cn/b-1/k.mp3", "b-1", "k.mp3"),
            ("https://b-1.s3.cn-north-1.amazonaws.com.cn/k.mp3", "b-1", "k.mp3"),
            ("https://s3-fips.us-gov-west-1.amazonaws.com/b-1/k.mp3", "b-1", "k.mp3"),
            ("http://127.0.0.1:4566/b-1/a/k.mp3", "b-1", "a/k.mp3"),
            ("https://s3.us-east-1.amazonaws.com/b-1//k.mp3", "b-1", "/k.mp3"),
            ("https://s3.us-east-1.amazonaws.com/b-1/a?b=c&d+e.mp3", "b-1", "a?b=c&d+e.mp3"),
        ],
    )
    def test_parses_other_partitions_ports_and_unusual_keys(self, uri: str, bucket: str, key: str) -> None:
        assert parse_output_uri(uri) == (bucket, key)

    @pytest.mark.parametrize(
        "uri", ["", "s3://bucket", "https://s3.us-east-1.amazonaws.com/bucket", "bucket/key", "s3:///key"]
    )
    def test_refuses_a_uri_without_bucket_and_key(self, uri: str) -> None:
        with pytest.raises(ValueError, match="names no S3 bucket and key"):
            parse_output_uri(uri)


class TestXComForm:
    def test_has_awss_names_and_the_s3_uri_and_is_unchanged_by_json(self) -> None:
        given_task = synthesis_task(SnsTopicArn="arn:aws:sns:eu-west-1:123456789012:t", LexiconNames=["a"])
        value = to_xcom_value(given_task)
        assert json.loads(json.dumps(value)) == value
        assert set(value) == {*given_task, "OutputS3Uri"}
        assert value["OutputS3Uri"] == "s3://bucket/audio.t1.mp3"
        assert datetime.fromisoformat(value["CreationTime"]) == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)

    def test_is_unchanged_when_converted_again(self) -> None:
        value = to_xcom_value(synthesis_task())
        assert to_xcom_value(value) == value

    def test_has_no_s3_uri_if_polly_returned_no_output_uri(self) -> None:
        assert "OutputS3Uri" not in to_xcom_value({"TaskId": "t1", "TaskStatus": "scheduled"})

    def test_has_no_s3_uri_but_everything_else_if_the_output_uri_names_no_object(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An error would lose the rest of a synthesis task that is paid for."""
        value = to_xcom_value(synthesis_task(OutputUri="https://elsewhere"))
        assert value["OutputUri"] == "https://elsewhere"
        assert "OutputS3Uri" not in value
        assert "https://elsewhere" in caplog.messages[0]

    def test_own_keys_that_are_missing_and_other_keys_are_not_pushed(self) -> None:
        running = context()
        push_own_xcom_keys(as_context(running), {"TaskId": "t1", "TaskStatus": "scheduled", "VoiceId": "Amy"})
        assert running["ti"].pushed == {"TaskId": "t1", "TaskStatus": "scheduled"}

    def test_own_keys_are_fields_of_a_synthesis_task(self) -> None:
        assert set(OWN_XCOM_KEYS) - {"OutputS3Uri"} <= set(members_of("SynthesisTask"))


class TestTaskStatus:
    def test_has_exactly_the_values_of_the_service_model(self) -> None:
        assert {status.value for status in TaskStatus} == set(values_of("TaskStatus"))

    def test_only_completed_and_failed_end_a_wait(self) -> None:
        assert {"completed", "failed"} == TERMINAL_STATUSES


class TestSynthesisTaskId:
    @pytest.mark.parametrize("value", ["t1", synthesis_task("t1"), to_xcom_value(synthesis_task("t1"))])
    def test_is_read_from_an_id_or_a_synthesis_task(self, value: str | dict[str, Any]) -> None:
        assert synthesis_task_id_of(value) == "t1"

    @pytest.mark.parametrize("value", ["", "  ", None, 7, {}, {"TaskId": None}, ["t1"]])
    def test_that_is_missing_is_refused_with_what_to_pass_instead(self, value: Any) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"TaskId.*start\.output"):
            synthesis_task_id_of(value)


class TestFailure:
    @pytest.mark.parametrize(
        ("reason", "hint"),
        [
            ("Error occurred while trying to upload file to S3: Access Denied", "s3:PutObject"),
            ("The specified bucket does not exist", "bucket exists"),
            ("The bucket is in this region: eu-west-1", "region that Polly was called in"),
            ("Could not publish to the SNS topic", "sns:Publish"),
        ],
    )
    def test_names_the_id_the_reason_and_what_to_do(self, reason: str, hint: str) -> None:
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
