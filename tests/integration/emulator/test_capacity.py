"""Which requests do not wait for other clients' syntheses, and which syntheses are cancelled."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.emulator.processes import wait_until, workers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/polly/aws4_request"
LONGEST = "It is a truth universally acknowledged. " * 2500
TASK = {"Text": LONGEST, "VoiceId": "Joanna", "OutputFormat": "mp3", "OutputS3BucketName": "busy"}
SPEECH = {"Text": "Hello", "VoiceId": "Joanna", "OutputFormat": "mp3"}

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find child processes")


@pytest.fixture
def busy_emulator(client: MakeClient) -> Iterator[tuple[RunningEmulator, Any]]:
    """Yield an emulator whose synthesis tasks never end, as their processes are stopped, and a client."""
    with running_emulator(buckets=("busy",), audio="tone", in_progress_seconds=0) as running:
        polly = client("polly", running=running)
        cores = os.cpu_count() or 1
        for _ in range(2 * cores):
            polly.start_speech_synthesis_task(**TASK)
        wait_until(lambda: len(workers_of(os.getpid())) >= cores)
        for worker in workers_of(os.getpid()):
            os.kill(worker, signal.SIGSTOP)
        yield running, polly


def test_synthesize_speech_does_not_wait_for_synthesis_tasks(
    busy_emulator: tuple[RunningEmulator, Any],
) -> None:
    _, polly = busy_emulator
    assert polly.synthesize_speech(**SPEECH)["AudioStream"].read()


def test_notifications_and_objects_do_not_wait_for_synthesis_tasks(
    busy_emulator: tuple[RunningEmulator, Any], client: MakeClient
) -> None:
    emulator, polly = busy_emulator
    sns, sqs, s3 = (client(service, running=emulator) for service in ("sns", "sqs", "s3"))
    topic = sns.create_topic(Name="busy")["TopicArn"]
    queue = sqs.create_queue(QueueName="busy")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    emulator.faults.add("StartSpeechSynthesisTask", fail_task="asked for")
    failed = polly.start_speech_synthesis_task(**TASK, SnsTopicArn=topic)["SynthesisTask"]["TaskId"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert json.loads(message["Body"])["taskId"] == failed
    s3.put_object(Bucket="busy", Key="key", Body=b"content")
    assert s3.get_object(Bucket="busy", Key="key")["Body"].read() == b"content"


def test_the_synthesis_for_a_disconnected_client_is_cancelled(emulator: RunningEmulator) -> None:
    before = workers_of(os.getpid())
    address = urlsplit(emulator.endpoint_url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    long = SPEECH | {"Text": LONGEST[:2900]}
    connection.request("POST", "/v1/speech", json.dumps(long), {"Authorization": AUTHORIZATION})
    wait_until(lambda: workers_of(os.getpid()) - before)
    (worker,) = workers_of(os.getpid()) - before
    os.kill(worker, signal.SIGSTOP)
    # Bytes after the request must not hide that the client closed the connection.
    connection.sock.sendall(b"GET / HTTP/1.1\r\n")
    connection.close()
    wait_until(lambda: emulator.counters.calls("SynthesizeSpeech", "disconnected") == 1)
    wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_a_subscriber_that_never_answers_delays_neither_other_notifications_nor_the_shutdown(
    client: MakeClient,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as subscriber:
        with running_emulator(buckets=("subscribed",), audio="none") as emulator:
            polly, sns, sqs = (client(service, running=emulator) for service in ("polly", "sns", "sqs"))
            hanging, other = (sns.create_topic(Name=name)["TopicArn"] for name in ("hanging", "other"))
            sns.subscribe(
                TopicArn=hanging, Protocol="http", Endpoint=f"http://127.0.0.1:{subscriber.getsockname()[1]}"
            )
            queue = sqs.create_queue(QueueName="other")["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]
            sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=arn)
            for topic in [hanging] * 8 + [other]:
                polly.start_speech_synthesis_task(
                    **SPEECH, OutputS3BucketName="subscribed", SnsTopicArn=topic
                )
            assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
            ended_at = time.monotonic()
        assert time.monotonic() - ended_at < 20


def test_a_reset_cancels_the_syntheses_of_the_deleted_tasks(
    busy_emulator: tuple[RunningEmulator, Any],
) -> None:
    emulator, polly = busy_emulator
    workers = workers_of(os.getpid())
    emulator.reset()
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    task_id = polly.start_speech_synthesis_task(**TASK | {"Text": "Hello"})["SynthesisTask"]["TaskId"]

    def status() -> str:
        task = polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]
        return str(task["TaskStatus"])

    wait_until(lambda: status() == "completed")
