"""Report a synthesis task that failed or took too long: its id, status and reason, but never its text."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta
from typing import Any

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
log = logging.getLogger("airflow.task")


# [START howto_polly_alert_callback]
def send(message: str) -> None:
    """Replace this with an email, a pager alert or a chat message."""
    log.error("%s", message)


def alert(context: Any) -> None:
    """Send the known details of the error. The message does not contain the text to speak."""
    ti, error = context["ti"], context.get("exception")
    facts = {"error": type(error).__name__}
    if isinstance(error, PollyError):
        facts["synthesis_task"] = error.synthesis_task_id or "none"
        facts["status"] = error.task_status or "unknown"
        facts["reason"] = error.task_status_reason or "none"
    told = ", ".join(f"{name}: {value}" for name, value in facts.items())
    send(f"{ti.dag_id}.{ti.task_id} try {ti.try_number} of run {ti.run_id}: {told}")


# [END howto_polly_alert_callback]


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_alert() -> None:
    """Speak an announcement in at most two tries of half an hour each."""
    # [START howto_polly_alert]
    PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text="The gates close at nine.",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="announcements/",
        deferrable=True,
        timeout=timedelta(minutes=30),
        retries=1,
        retry_delay=timedelta(seconds=1),
        on_retry_callback=alert,
        on_failure_callback=alert,
    )
    # [END howto_polly_alert]


example_polly_alert()
