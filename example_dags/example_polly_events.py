"""Start a DAG from Polly's notification instead of polling, with an SNS topic and an SQS queue.

The first DAG starts a synthesis task and ends. When the synthesis task has ended, Polly publishes a
notification to the topic ``POLLY_EXAMPLE_TOPIC_ARN``. The second DAG exists if ``POLLY_EXAMPLE_QUEUE_URL`` is
set to the URL of a queue that is subscribed to the topic. It needs Airflow 3, the provider
``common.messaging`` and, in the triggerer, ``aiobotocore``.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.results.sns_notification import synthesis_task_from_notification

try:
    from airflow.sdk import dag, task
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # Airflow before 3.2
    from airflow.decorators import dag, task
    from airflow.exceptions import AirflowFailException

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
TOPIC_ARN = os.environ.get("POLLY_EXAMPLE_TOPIC_ARN")
QUEUE_URL = os.environ.get("POLLY_EXAMPLE_QUEUE_URL")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_events() -> None:
    """Start a synthesis task and do not wait for it."""
    # [START howto_polly_events_start]
    PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text="The report of this morning is ready to be heard.",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        sns_topic_arn=TOPIC_ARN,
        wait_for_completion=False,
    )
    # [END howto_polly_events_start]


example_polly_events()

if QUEUE_URL:
    # [START howto_polly_events]
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger
    from airflow.sdk import Asset, AssetWatcher

    queue = MessageQueueTrigger(scheme="sqs", sqs_queue=QUEUE_URL, wait_time_seconds=20, waiter_delay=1)
    notifications = Asset(
        "polly_notifications", watchers=[AssetWatcher(name="polly_notifications", trigger=queue)]
    )

    @dag(schedule=[notifications], start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"])
    def example_polly_events_heard() -> None:
        """Run when notifications arrive, with one mapped task per synthesis task."""

        @task
        def heard(**context: Any) -> list[dict[str, Any]]:
            """Read the messages that started this run; a manual run has no messages."""
            events = [event for events in context["triggering_asset_events"].values() for event in events]
            messages = [message for event in events for message in event.extra["payload"]["message_batch"]]
            return [synthesis_task_from_notification(message["Body"]) for message in messages]

        @task
        def publish(synthesis_task: dict[str, Any]) -> str:
            """Replace this with the next step of your pipeline."""
            if synthesis_task["TaskStatus"] != "completed":
                raise AirflowFailException(synthesis_task.get("TaskStatusReason"))
            return f"{synthesis_task['OutputS3Uri']}: {synthesis_task['RequestCharacters']} characters"

        publish.expand(synthesis_task=heard())

    example_polly_events_heard()
    # [END howto_polly_events]
