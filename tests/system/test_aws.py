"""Amazon Polly itself behaves as the emulator does.

These tests are opt-in and billed (some tens of characters). No run of them on AWS is on record yet::

    AWS_DEFAULT_REGION=eu-west-1 POLLY_SYSTEM_TEST_BUCKET=my-bucket pytest tests/system
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.exceptions import PollyInvalidRequestError, PollySynthesisTaskNotFoundError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.results.synthesis_task import to_xcom_value
from airflow_polly_provider.wait.schedule import Schedule
from airflow_polly_provider.wait.worker import wait_in_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

TEXT = "This is a test of Amazon Polly."


@pytest.fixture
def hook() -> PollyHook:
    return PollyHook(aws_conn_id=None)


@pytest.fixture
def finished(hook: PollyHook, bucket: str) -> Iterator[Mapping[str, Any]]:
    """Yield a synthesis task that has ended; remove its object afterwards."""
    request = {
        "Text": TEXT,
        "VoiceId": "Joanna",
        "OutputFormat": "mp3",
        "OutputS3BucketName": bucket,
        "OutputS3KeyPrefix": f"airflow-polly-provider/test-{uuid.uuid4().hex[:8]}",
    }
    started = hook.start_speech_synthesis_task(request)
    ended = wait_in_worker(hook, started["TaskId"], schedule=Schedule(5), deadline=time.time() + 600)
    yield ended
    location = parse_output_uri(ended["OutputUri"])
    S3Hook(aws_conn_id=None).delete_objects(location.bucket, [location.key])


def test_a_synthesis_task_completes_and_its_object_is_at_output_uri(
    finished: Mapping[str, Any], bucket: str
) -> None:
    assert finished["TaskStatus"] == "completed", finished.get("TaskStatusReason")
    assert finished["RequestCharacters"] == len(TEXT)
    location = parse_output_uri(finished["OutputUri"])
    assert location.bucket == bucket
    assert S3Hook(aws_conn_id=None).check_for_key(location.key, location.bucket)
    assert to_xcom_value(finished)["OutputS3Uri"] == location.uri


def test_list_returns_the_synthesis_task_with_its_output_uri(
    hook: PollyHook, finished: Mapping[str, Any]
) -> None:
    listed = {task["TaskId"]: task for task in hook.list_speech_synthesis_tasks(status="completed")}
    assert listed[finished["TaskId"]]["OutputUri"] == finished["OutputUri"]


def test_an_unknown_id_and_invalid_ssml_raise_different_errors(hook: PollyHook, bucket: str) -> None:
    with pytest.raises(PollySynthesisTaskNotFoundError, match="72 hours"):
        hook.get_speech_synthesis_task("00000000-0000-0000-0000-000000000000")
    with pytest.raises(PollyInvalidRequestError, match="InvalidSsml"):
        hook.start_speech_synthesis_task(
            {
                "Text": "<speak>never closed",
                "TextType": "ssml",
                "VoiceId": "Joanna",
                "OutputFormat": "mp3",
                "OutputS3BucketName": bucket,
            }
        )
