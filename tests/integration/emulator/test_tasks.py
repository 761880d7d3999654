"""Synthesis tasks of the emulator: status, output, notifications, lists."""

from __future__ import annotations

import io
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from airflow_polly_provider.emulator.control.server import MissingExtraError
from airflow_polly_provider.emulator.speech import synthesis, worker
from airflow_polly_provider.emulator.speech.worker import speech_available
from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.aws_clients import client_of

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient, StartTask, WaitForEnd

TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps for a while."


def test_a_task_is_scheduled_then_in_progress_then_completed(start_task: StartTask, polly: Any) -> None:
    task = start_task()
    seen = [task["TaskStatus"]]
    deadline = time.monotonic() + 30
    while seen[-1] != "completed" and time.monotonic() < deadline:
        status = polly.get_speech_synthesis_task(TaskId=task["TaskId"])["SynthesisTask"]["TaskStatus"]
        if status != seen[-1]:
            seen.append(status)
    assert seen == ["scheduled", "inProgress", "completed"]


@pytest.mark.parametrize(
    ("prefix", "output_format", "key"),
    [
        (None, "mp3", "{id}.mp3"),
        ("audio/intro", "ogg_vorbis", "audio/intro.{id}.ogg"),
        ("odd?a=1&b=+:;$@,'()!*", "pcm", "odd?a=1&b=+:;$@,'()!*.{id}.pcm"),
    ],
)
def test_output_uri_is_the_location_of_the_object(
    client: MakeClient,
    start_task: StartTask,
    wait_for_end: WaitForEnd,
    emulator: RunningEmulator,
    prefix: str | None,
    output_format: str,
    key: str,
) -> None:
    settings = {"OutputFormat": output_format} | ({"OutputS3KeyPrefix": prefix} if prefix else {})
    task = wait_for_end(start_task(**settings)["TaskId"])
    key = key.format(id=task["TaskId"])
    assert task["OutputUri"] == f"https://s3.us-east-1.amazonaws.com/{emulator.bucket}/{key}"
    assert client("s3").get_object(Bucket=emulator.bucket, Key=key)["Body"].read()


@pytest.mark.speech
@pytest.mark.skipif(not speech_available(), reason="the speech extra is not installed")
def test_speech_has_a_natural_length(
    client: MakeClient, start_task: StartTask, wait_for_end: WaitForEnd, emulator: RunningEmulator
) -> None:
    task = wait_for_end(start_task(Text=TEXT)["TaskId"])
    answer = client("s3").get_object(Bucket=emulator.bucket, Key=f"{task['TaskId']}.mp3")
    assert answer["ContentType"] == "audio/mpeg"
    audio = soundfile.info(io.BytesIO(answer["Body"].read()))
    assert audio.samplerate == 22050
    assert 10 <= len(TEXT) / audio.duration <= 20


def test_without_the_speech_extra_the_audio_is_a_tone(
    monkeypatch: pytest.MonkeyPatch, client: MakeClient
) -> None:
    monkeypatch.setattr(synthesis, "speech_available", lambda: False)
    with running_emulator(buckets=("tones",)) as emulator:
        polly, s3 = client("polly", running=emulator), client("s3", running=emulator)
        task = polly.start_speech_synthesis_task(
            Text=TEXT, VoiceId="Amy", OutputFormat="mp3", OutputS3BucketName="tones"
        )["SynthesisTask"]
        deadline = time.monotonic() + 30
        while task["TaskStatus"] != "completed" and time.monotonic() < deadline:
            task = polly.get_speech_synthesis_task(TaskId=task["TaskId"])["SynthesisTask"]
        audio = soundfile.info(
            io.BytesIO(s3.get_object(Bucket="tones", Key=f"{task['TaskId']}.mp3")["Body"].read())
        )
    silence = 0.155 + 0.355
    assert audio.duration == pytest.approx(len(TEXT) / 15 + silence, abs=0.05)


def test_requesting_speech_without_the_extra_is_an_error_at_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "speech_available", lambda: False)
    with pytest.raises(MissingExtraError, match=r"\.\[speech\]"), running_emulator(audio="speech"):
        pass


def test_a_missing_bucket_fails_the_task(start_task: StartTask, wait_for_end: WaitForEnd) -> None:
    task = wait_for_end(start_task(OutputS3BucketName="nobody-made-this")["TaskId"])
    assert task["TaskStatus"] == "failed"
    assert "the bucket existsin this region and you have permission" in task["TaskStatusReason"]


def test_a_reset_empties_the_buckets_and_the_shutdown_deletes_them(client: MakeClient) -> None:
    with running_emulator(buckets=("short-lived",)) as emulator:
        s3 = client("s3", running=emulator)
        for key in ("a/b & c", "<é>", "plain"):
            s3.put_object(Bucket="short-lived", Key=key, Body=b"x")
        emulator.reset()
        assert s3.list_objects_v2(Bucket="short-lived")["KeyCount"] == 0
        s3.put_object(Bucket="short-lived", Key="left", Body=b"x")
    with running_emulator(buckets=("another",)) as emulator:
        buckets = client("s3", running=emulator).list_buckets()["Buckets"]
        assert "short-lived" not in {bucket["Name"] for bucket in buckets}


def test_tasks_deleted_by_a_reset_write_no_object_later(
    client: MakeClient, start_task: StartTask, wait_for_end: WaitForEnd, emulator: RunningEmulator
) -> None:
    for _ in range(8):
        start_task(Text="A task that nobody waits for. " * 10)
    emulator.reset()
    # The last task is synthesized after the deleted tasks.
    last = wait_for_end(start_task()["TaskId"])
    objects = client("s3").list_objects_v2(Bucket=emulator.bucket)["Contents"]
    assert [each["Key"] for each in objects] == [f"{last['TaskId']}.mp3"]


def test_a_completed_task_is_published_to_the_sns_topic(
    client: MakeClient, start_task: StartTask, wait_for_end: WaitForEnd, emulator: RunningEmulator
) -> None:
    sns, sqs = client("sns"), client("sqs")
    topic = sns.create_topic(Name="polly")["TopicArn"]
    queue = sqs.create_queue(QueueName="polly")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    task = wait_for_end(start_task(SnsTopicArn=topic)["TaskId"])
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    notification = json.loads(message["Body"])
    assert (notification["taskId"], notification["taskStatus"]) == (task["TaskId"], "COMPLETED")
    assert notification["outputUri"] == f"s3://{emulator.bucket}/{task['TaskId']}.mp3"
    assert datetime.fromisoformat(notification["creationTime"]) == task["CreationTime"]
    assert (notification["outputFormat"], notification["textType"]) == ("Mp3", "Text")


def test_a_failed_task_is_published_to_the_sns_topic_with_its_reason(
    client: MakeClient, start_task: StartTask, wait_for_end: WaitForEnd
) -> None:
    sns, sqs = client("sns"), client("sqs")
    topic = sns.create_topic(Name="polly-failures")["TopicArn"]
    queue = sqs.create_queue(QueueName="polly-failures")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    task = wait_for_end(start_task(SnsTopicArn=topic, OutputS3BucketName="nobody-made-this")["TaskId"])
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == f"SynthesisTaskNotification {{ TaskId: {task['TaskId']}, Status: FAILED }}"
    assert "the bucket existsin this region" in json.loads(envelope["Message"])["taskStatusReason"]


def test_ssml_tags_are_not_billed(start_task: StartTask) -> None:
    ssml = '<speak>Hello <break time="10ms"/><emphasis>world</emphasis></speak>'
    assert start_task(Text=ssml, TextType="ssml")["RequestCharacters"] == len("Hello world")


def test_a_task_is_unknown_in_other_regions(client: MakeClient, start_task: StartTask) -> None:
    task_id = start_task()["TaskId"]
    elsewhere = client("polly", region_name="eu-west-1")
    with pytest.raises(elsewhere.exceptions.SynthesisTaskNotFoundException):
        elsewhere.get_speech_synthesis_task(TaskId=task_id)


def test_a_task_is_listed_only_after_the_delay(client: MakeClient) -> None:
    with running_emulator(list_delay_seconds=60, audio="none") as emulator:
        polly = client("polly", running=emulator)
        task_id = polly.start_speech_synthesis_task(
            Text="Hi", VoiceId="Amy", OutputFormat="mp3", OutputS3BucketName="any-bucket"
        )["SynthesisTask"]["TaskId"]
        assert polly.get_speech_synthesis_task(TaskId=task_id)
        assert polly.list_speech_synthesis_tasks()["SynthesisTasks"] == []
        emulator.advance_clock(61)
        assert len(polly.list_speech_synthesis_tasks()["SynthesisTasks"]) == 1


def test_seeded_tasks_are_listed_page_by_page(emulator: RunningEmulator, polly: Any) -> None:
    expected = emulator.seed(count=230, spacing_seconds=1)
    emulator.seed(count=5, status="inProgress", ends_in_seconds=60, ends_as="failed", reason="no voice")
    pages = polly.get_paginator("list_speech_synthesis_tasks").paginate(Status="completed")
    assert [task["TaskId"] for page in pages for task in page["SynthesisTasks"]] == expected
    emulator.advance_clock(61)
    failed = polly.list_speech_synthesis_tasks(Status="failed")["SynthesisTasks"]
    assert [task["TaskStatusReason"] for task in failed] == ["no voice"] * 5


def test_the_shutdown_of_a_second_emulator_keeps_the_buckets_of_the_first() -> None:
    with running_emulator(audio="none") as first:
        with running_emulator(audio="none") as second:
            assert second.bucket == first.bucket
        with client_of(first, "s3") as s3:
            s3.head_bucket(Bucket=first.bucket)
