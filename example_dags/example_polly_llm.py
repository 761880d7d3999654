"""Let a language model write a text, and let Polly speak it: ``@task.llm``, then ``@task.polly``.

Needs ``apache-airflow-providers-common-ai`` and a connection ``pydanticai_default`` to a model. Airflow can
import the DAG without that provider. A run then skips both tasks, and the log of ``write`` says why.
"""

from __future__ import annotations

import os
from datetime import datetime
from importlib.util import find_spec

try:
    from airflow.sdk import dag, task
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:  # Airflow before 3.2
    from airflow.decorators import dag, task
    from airflow.exceptions import AirflowSkipException

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
HAS_LLM = find_spec("airflow.providers.common.ai") is not None


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_llm() -> None:
    """Write and speak a weather report."""
    if HAS_LLM:
        # [START howto_polly_llm_write]
        @task.llm(
            llm_conn_id="pydanticai_default",
            system_prompt="Write for the ear: at most three short sentences, no lists, no markup.",
        )
        def write() -> str:
            """Return the prompt. The task returns the model's answer."""
            return "Announce this weather to commuters: rain until noon, wind from the west, 12 degrees."

        # [END howto_polly_llm_write]
    else:

        @task
        def write() -> str:
            """Skip the task, and log what is missing."""
            raise AirflowSkipException("Install apache-airflow-providers-common-ai to run this example.")

    # [START howto_polly_llm_speak]
    @task.polly(
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="weather/",
        max_request_characters=1000,
        deferrable=True,
    )
    def speak(text: str) -> str:
        """Return the model's answer. It is spoken unchanged, not read as a template or a file name."""
        return text

    speak(write())
    # [END howto_polly_llm_speak]


example_polly_llm()
