from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyFinalError, PollyInvalidNotificationError
from airflow_polly_provider.results.sns_notification import (
    synthesis_task_from_notification,
    synthesis_tasks_from_notifications,
)
from airflow_polly_provider.results.synthesis_task import synthesis_task_id_of
from tests.unit.support import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# A publicly recorded notification, with the names changed.
RECORDED = {
    "taskId": "28e59aee-7a24-4c8b-87f2-132b195bc9f9",
    "taskStatus": "COMPLETED",
    "outputUri": "s3://my-audio/28e59aee-7a24-4c8b-87f2-132b195bc9f9.mp3",
    "creationTime": "2018-12-27T08:23:18.093Z",
    "requestCharacters": 2667,
    "snsTopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
    "outputFormat": "Mp3",
    "textType": "Ssml",
    "voiceId": "Amy",
}
TRANSLATED = {
    "TaskId": "28e59aee-7a24-4c8b-87f2-132b195bc9f9",
    "TaskStatus": "completed",
    "OutputUri": "s3://my-audio/28e59aee-7a24-4c8b-87f2-132b195bc9f9.mp3",
    "OutputS3Uri": "s3://my-audio/28e59aee-7a24-4c8b-87f2-132b195bc9f9.mp3",
    "CreationTime": "2018-12-27T08:23:18.093000+00:00",
    "RequestCharacters": 2667,
    "SpokenCharacters": 2667,
    "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
    "OutputFormat": "mp3",
    "TextType": "ssml",
    "VoiceId": "Amy",
}


def in_envelope(message: Any, **fields: Any) -> dict[str, Any]:
    """Return a message as SNS delivers it to SQS without RawMessageDelivery."""
    return {
        "Type": "Notification",
        "MessageId": "1dce39c3-f6b9-574b-9315-6d5d78f1ff69",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
        "Subject": "SynthesisTaskNotification { TaskId: 28e5, Status: COMPLETED }",
        "Message": message,
        "Timestamp": "2018-12-27T08:23:36.886Z",
        **fields,
    }


@pytest.mark.parametrize(
    "message",
    [
        RECORDED,
        json.dumps(RECORDED),
        in_envelope(json.dumps(RECORDED)),
        json.dumps(in_envelope(json.dumps(RECORDED))),
        in_envelope(RECORDED),
        json.dumps(RECORDED).encode(),
        b"\xef\xbb\xbf" + json.dumps(RECORDED).encode(),
        "\ufeff" + json.dumps(in_envelope(json.dumps(RECORDED))),
        {"Records": [{"EventSource": "aws:sns", "Sns": in_envelope(json.dumps(RECORDED))}]},
        {"EventSource": "aws:sns", "Sns": in_envelope(json.dumps(RECORDED))},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(in_envelope(json.dumps(RECORDED)))}]},
        {"MessageId": "m1", "ReceiptHandle": "r", "Body": json.dumps(in_envelope(json.dumps(RECORDED)))},
        [{"MessageId": "m1", "ReceiptHandle": "r", "Body": json.dumps(RECORDED)}],
        {"Messages": [{"MessageId": "m1", "Body": json.dumps(RECORDED)}], "ResponseMetadata": {}},
        (RECORDED,),
    ],
    ids=[
        *("raw, parsed", "raw", "in SNS's envelope, parsed", "in SNS's envelope", "parsed throughout"),
        *("bytes", "bytes with a byte order mark", "with a byte order mark", "Lambda's event from SNS"),
        *("Lambda's record of SNS", "Lambda's event from SQS", "SQS message", "list of SQS messages"),
        *("response of receive_message", "tuple"),
    ],
)
def test_a_recorded_notification_is_translated_to_the_operators_xcom_form(
    message: str | Mapping[str, Any],
) -> None:
    assert synthesis_task_from_notification(message) == TRANSLATED


def test_a_notification_of_a_failure_contains_its_reason() -> None:
    failed = {"taskId": "t1", "taskStatus": "FAILED", "taskStatusReason": "The bucket does not exist"}
    synthesis_task = synthesis_task_from_notification(failed)
    assert synthesis_task["TaskStatus"] == TaskStatus.FAILED
    assert synthesis_task["TaskStatusReason"] == "The bucket does not exist"


@pytest.mark.parametrize(
    ("notification", "member", "value"),
    [
        ({"taskStatus": "IN_PROGRESS"}, "TaskStatus", "inProgress"),
        ({"taskStatus": "Paused"}, "TaskStatus", "Paused"),
        ({"outputFormat": "OggVorbis"}, "OutputFormat", "ogg_vorbis"),
        ({"engine": "LONG_FORM"}, "Engine", "long-form"),
        ({"languageCode": "EnUs"}, "LanguageCode", "en-US"),
        ({"speechMarkTypes": ["Word", "SENTENCE"]}, "SpeechMarkTypes", ["word", "sentence"]),
        ({"lexiconNames": ["One"]}, "LexiconNames", ["One"]),
        ({"voiceId": "Somebody New"}, "VoiceId", "Somebody New"),
        ({"requestCharacters": "2667"}, "RequestCharacters", 2667),
        ({"creationTime": "yesterday"}, "CreationTime", "yesterday"),
        ({"somethingNew": {"a": 1}}, "SomethingNew", {"a": 1}),
    ],
)
def test_values_are_translated_to_the_apis_spelling_and_unknown_values_are_kept(
    notification: dict[str, Any], member: str, value: Any
) -> None:
    assert synthesis_task_from_notification({**RECORDED, **notification})[member] == value


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("not JSON", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "found 0"),
        ("7", "expected a JSON object, got int"),
        ('"text"', "expected a JSON object, got str"),
        (b"\xff\xfe", r"not JSON \(not UTF-8 at byte 0\)"),
        ([RECORDED, RECORDED], "found 2.*synthesis_tasks_from_notifications"),
        ([[[[[[[[[[[RECORDED]]]]]]]]]]], "more than 9 nested envelopes"),
        (None, "expected a JSON object, got NoneType"),
        ({}, r"'taskId' is missing or not a string \(keys: none\)"),
        ({"taskId": 7, "taskStatus": "COMPLETED"}, "'taskId' is missing"),
        ({"taskId": "t1"}, r"'taskStatus' is missing or not a string \(keys: taskId\)"),
        ({**RECORDED, "outputUri": None}, "'outputUri' is missing"),
        (in_envelope("Your subscription was confirmed"), "not JSON"),
        (in_envelope('{"Records": []}'), "found 0"),
        (in_envelope('{"Records": 7}'), r"'taskId' is missing or not a string \(keys: Records\)"),
        (TRANSLATED, "'taskId' is missing"),
    ],
)
def test_a_message_that_is_not_from_polly_is_refused_with_a_final_error(message: Any, why: str) -> None:
    with pytest.raises(PollyInvalidNotificationError, match=why) as refused:
        synthesis_task_from_notification(message)
    assert isinstance(refused.value, PollyFinalError)


def test_several_notifications_are_read_in_order() -> None:
    tasks = [{**RECORDED, "taskId": name} for name in ("t1", "t2", "t3")]
    event = {
        "Records": [
            {"body": json.dumps(in_envelope(json.dumps(tasks[0])))},
            {"body": json.dumps(tasks[1:])},
        ]
    }
    assert [task["TaskId"] for task in synthesis_tasks_from_notifications(event)] == ["t1", "t2", "t3"]
    assert synthesis_tasks_from_notifications([]) == []


def test_a_refusal_does_not_quote_the_message() -> None:
    with pytest.raises(PollyInvalidNotificationError) as refused:
        synthesis_task_from_notification({"password": "hunter2", "Message": '{"secret": "swordfish"}'})
    assert "hunter2" not in str(refused.value)
    assert "swordfish" not in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text() | st.sampled_from(sorted(RECORDED)), values),
    max_leaves=8,
)
notifications = st.dictionaries(st.sampled_from(sorted(RECORDED)), json_values).map(
    lambda other: RECORDED | other
)


class TestProperties:
    @given(json_values | notifications)
    @settings(derandomize=True)
    def test_any_json_is_translated_or_refused_and_nothing_else_is_raised(self, value: Any) -> None:
        for message in (value, json.dumps(value), in_envelope(json.dumps(value))):
            try:
                synthesis_task = synthesis_task_from_notification(message)
            except PollyInvalidNotificationError:
                continue
            assert synthesis_task_id_of(synthesis_task)
            json.dumps(synthesis_task)

    @given(notifications, st.booleans())
    @settings(derandomize=True)
    def test_the_result_is_the_same_with_and_without_the_sns_envelope(
        self, notification: dict[str, Any], raw: bool
    ) -> None:
        body = json.dumps(notification if raw else in_envelope(json.dumps(notification)))
        try:
            expected = synthesis_task_from_notification(notification)
        except PollyInvalidNotificationError:
            with pytest.raises(PollyInvalidNotificationError):
                synthesis_task_from_notification(body)
        else:
            assert synthesis_task_from_notification(body) == expected

    @given(
        st.sampled_from(values_of("OutputFormat")),
        st.sampled_from(values_of("Engine")),
        st.sampled_from(values_of("LanguageCode")),
        st.sampled_from(list(TaskStatus)),
        st.sampled_from([str.upper, str.title, str.lower]),
    )
    @settings(derandomize=True)
    def test_every_value_of_the_api_is_recognized_in_any_spelling(
        self, output_format: str, engine: str, language: str, status: TaskStatus, spell: Any
    ) -> None:
        def spelled(value: str) -> str:
            return re.sub("[_-]", "", str(spell(value)))

        api = {
            "OutputFormat": output_format,
            "Engine": engine,
            "LanguageCode": language,
            "TaskStatus": status,
        }
        notification = {name[0].lower() + name[1:]: spelled(value) for name, value in api.items()}
        synthesis_task = synthesis_task_from_notification(RECORDED | notification)
        assert {name: synthesis_task[name] for name in api} == api

    @given(st.from_regex(r"\A[0-9a-zA-Z/!\-_.*'():;$@=+,?&]{1,120}\Z"))
    @settings(derandomize=True)
    def test_output_s3_uri_contains_the_key_literally(self, key: str) -> None:
        synthesis_task = synthesis_task_from_notification({**RECORDED, "outputUri": f"s3://my-audio/{key}"})
        assert parse_output_uri(synthesis_task["OutputS3Uri"]) == ("my-audio", key)
