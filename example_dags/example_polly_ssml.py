"""Create SSML from data with ``macros.polly`` in a template file and with Python; escaping is automatic."""

from __future__ import annotations

import os
from datetime import datetime

from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_ssml() -> None:
    """Announce the departures that a task returns, even if they contain special characters."""

    @task
    def departures() -> list[dict[str, str]]:
        """Return the departures; replace this with a query or a feed."""
        return [
            {"line": "Brown & Sons Express", "to": "Stoke <Central>", "platform": "9A"},
            {"line": 'The "Flying" Scotsman', "to": "Edinburgh", "platform": "1"},
        ]

    found = departures()

    # [START howto_polly_ssml_template]
    board = PollyStartSpeechSynthesisTaskOperator(
        task_id="board",
        text="texts/departures.ssml",
        voice_id="Brian",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="departures/",
    )
    # [END howto_polly_ssml_template]

    # [START howto_polly_ssml_python]
    @task
    def announcement(trains: list[dict[str, str]]) -> str:
        """Create an SSML document in Python."""
        from airflow_polly_provider.text import ssml

        calls = [ssml.s(train["line"], ssml.pause(strength="weak"), train["to"]) for train in trains]
        return str(ssml.speak("Next, ", ssml.emphasis("please listen"), ": ", *calls))

    call = PollySynthesizeSpeechOperator(
        task_id="call",
        text=announcement(found),
        text_type="ssml",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key="departures/next.mp3",
    )
    # [END howto_polly_ssml_python]

    found >> board >> call


example_polly_ssml()
