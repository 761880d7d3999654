"""Speak the text that a function returns, with ``@task.polly``: once, and mapped over a list."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


if TYPE_CHECKING:
    from airflow_polly_provider.results.synthesis_task import SynthesisTaskXCom

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_decorator() -> None:
    """Speak a bulletin, and one announcement for each platform."""

    # [START howto_decorator_polly]
    @task.polly(
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="bulletins/",
        text_type="ssml",
        deferrable=True,
    )
    def bulletin(dag_run: Any = None) -> str:
        """Return the text to speak, here SSML with the date of the run."""
        day = f"{dag_run.start_date:%Y-%m-%d}"
        return f'<speak>The news of <say-as interpret-as="date">{day}</say-as>.</speak>'

    @task
    def report(speech: SynthesisTaskXCom) -> str:
        """Replace this with the next step of your pipeline."""
        return f"{speech['OutputS3Uri']}: {speech['RequestCharacters']} characters billed"

    report(bulletin())
    # [END howto_decorator_polly]

    # [START howto_decorator_polly_mapped]
    @task.polly(voice_id="Brian", output_s3_bucket_name=BUCKET, output_s3_key_prefix="platforms/")
    def announce(platform: int, state: str) -> str:
        """Return the announcement for one platform."""
        return f"Platform {platform} is {state}."

    announce.partial(state="closed").expand(platform=[1, 2])
    announce.override(task_id="announce_loudly", voice_id="Joanna")(platform=3, state="open")
    # [END howto_decorator_polly_mapped]


example_polly_decorator()
