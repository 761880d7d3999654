"""Polly's notification starts a DAG run through SNS, SQS, the triggerer and the scheduler."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from scripts.stack.emulator import ACCESS_KEY, REGION
from tests.integration.stack_support import polly_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAG_ID = "example_polly_events"
ACCOUNT = "123456789012"

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("aiobotocore", reason="the SQS trigger needs it: run make test-events")
    pytest.importorskip("airflow.providers.common.messaging")


@contextlib.contextmanager
def client(service: str, endpoint_url: str) -> Iterator[Any]:
    made = boto3.client(  # type: ignore[call-overload]  # one overload per literal name
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
    )
    with contextlib.closing(made):
        yield made


def topic_and_queue(endpoint_url: str) -> dict[str, str]:
    """Create a topic and a subscribed queue, and return the variables that the example reads."""
    with client("sns", endpoint_url) as sns, client("sqs", endpoint_url) as sqs:
        topic_arn = sns.create_topic(Name="polly-notifications")["TopicArn"]
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:polly-notifications"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        queue_url = sqs.create_queue(QueueName="polly-notifications", Attributes={"Policy": policy})[
            "QueueUrl"
        ]
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    return {"POLLY_EXAMPLE_TOPIC_ARN": topic_arn, "POLLY_EXAMPLE_QUEUE_URL": queue_url}


def test_pollys_notification_starts_the_dag_that_processes_the_audio(tmp_path: Path) -> None:
    with polly_stack(tmp_path, env=topic_and_queue) as stack:
        airflow = stack.airflow
        airflow.wait_for_dag(f"{DAG_ID}_heard")
        run_id = airflow.trigger(DAG_ID)
        assert airflow.wait_for_run(DAG_ID, run_id) == "success"
        started = airflow.xcoms(DAG_ID, run_id, "start")

        heard_id = airflow.wait_for_started_run(f"{DAG_ID}_heard", timeout=120)

        assert airflow.wait_for_run(f"{DAG_ID}_heard", heard_id) == "success"
        (synthesis_task,) = airflow.xcoms(f"{DAG_ID}_heard", heard_id, "heard")["return_value"]
        published = airflow.xcoms(f"{DAG_ID}_heard", heard_id, "publish", 0)["return_value"]
        left = messages_in(started["return_value"]["SnsTopicArn"], stack.endpoint_url)

    assert started["TaskStatus"] == "scheduled"
    assert synthesis_task["TaskStatus"] == "completed"
    same = ("TaskId", "OutputS3Uri", "RequestCharacters", "VoiceId", "OutputFormat", "CreationTime")
    assert {key: synthesis_task[key] for key in same} == {key: started["return_value"][key] for key in same}
    assert published == f"{started['OutputS3Uri']}: {started['RequestCharacters']} characters"
    assert left == 0


def messages_in(topic_arn: str, endpoint_url: str) -> int:
    with client("sqs", endpoint_url) as sqs:
        url = sqs.get_queue_url(QueueName=topic_arn.rpartition(":")[2])["QueueUrl"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(
            counts["ApproximateNumberOfMessagesNotVisible"]
        )
