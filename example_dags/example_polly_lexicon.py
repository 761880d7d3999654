"""Store a lexicon with the pronunciation of names, use it in a synthesis task, and delete it."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

if TYPE_CHECKING:
    from airflow_polly_provider.results.lexicon import LexiconXCom

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")


@dag(schedule=None, start_date=datetime(2025, 1, 1), catchup=False, tags=["polly", "example"], doc_md=__doc__)
def example_polly_lexicon() -> None:
    """Store the lexicon, use it, and delete it even if the synthesis task fails."""
    # [START howto_operator_polly_put_lexicon]
    put = PollyPutLexiconOperator(
        task_id="put",
        name="places",
        content="lexicons/places.pls",
    )
    # [END howto_operator_polly_put_lexicon]

    # [START howto_polly_lexicon_use]
    speak = PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text="The train from Leicester arrives at KGX.",
        voice_id="Amy",
        lexicon_names=[put.output["Name"]],
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="arrivals/",
    )

    @task
    def report(lexicon: LexiconXCom) -> str:
        """Return whether this run stored the lexicon or Polly already had it."""
        return f"{lexicon['Name']} was {'put' if lexicon['Put'] else 'there already'}"

    report(put.output)
    # [END howto_polly_lexicon_use]

    # [START howto_operator_polly_delete_lexicon]
    delete = PollyDeleteLexiconOperator(
        task_id="delete",
        name="places",
        ignore_if_missing=True,
    )
    # [END howto_operator_polly_delete_lexicon]

    speak >> delete.as_teardown(setups=put)


example_polly_lexicon()
