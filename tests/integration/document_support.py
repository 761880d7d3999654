"""Functions for the tests of the document operator."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.integration.dag_builder import new_dag

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator

TASK = "speak"
KEY = "books/zebras.mp3"


def paragraphs(name: str, number: int) -> str:
    """Return a text of short paragraphs of about 70 characters each.

    :param name: a word that makes the paragraphs different from those of other chapters
    :param number: the number of paragraphs
    """
    lines = [f"Zebra number {index} of {name} juggles quietly. Nobody knows why." for index in range(number)]
    return "\n\n".join(lines)


def book(*chapters: str) -> str:
    """Return a Markdown document.

    :param chapters: the text of each chapter
    """
    return "\n\n".join(f"# Part {number}\n\n{text}" for number, text in enumerate(chapters, start=1))


def document_arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for the document operator: small pieces, a short poll interval, no retries.

    :param emulator: the emulator whose bucket receives the audio
    :param changes: arguments to change or add
    """
    return {
        "task_id": TASK,
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "output_s3_key": KEY,
        "max_piece_characters": 150,
        "poke_interval": 0.2,
        "retries": 0,
        "retry_delay": timedelta(0),
    } | changes


def document_dag(emulator: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG with one document operator.

    :param emulator: the emulator whose bucket receives the audio
    :param changes: arguments to change in or add to :func:`document_arguments`
    """
    with new_dag("document") as dag:
        PollySynthesizeDocumentOperator(**document_arguments(emulator, **changes))
    return dag
