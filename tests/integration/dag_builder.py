"""DAGs for the tests, and the ways in which their tasks wait."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import DAG
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

TEXT = "Zebras quietly juggle."
START, GET = "StartSpeechSynthesisTask", "GetSpeechSynthesisTask"

NO_WAIT: dict[str, Any] = {"wait_for_completion": False}
IN_WORKER: dict[str, Any] = {"deferrable": False}
DEFERRED: dict[str, Any] = {"deferrable": True}

each_mode = pytest.mark.parametrize(
    "mode", [NO_WAIT, IN_WORKER, DEFERRED], ids=["no wait", "in worker", "deferred"]
)
each_waiting_mode = pytest.mark.parametrize("mode", [IN_WORKER, DEFERRED], ids=["in worker", "deferred"])


def new_dag(name: str, **settings: Any) -> DAG:
    """Return an empty DAG without a schedule, whose id no other call returns.

    :param name: the id begins with it
    :param settings: further arguments of the DAG
    """
    return DAG(
        f"{name}_{uuid.uuid4().hex}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, **settings
    )


def output_of(task: Any) -> Any:
    """Return an operator's output as later tasks take it.

    Airflow declares it as XComArg, which is neither indexable nor of the type of the value it stands for.
    """
    return task.output


def start_arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments of the start operator: a valid request, a short poll interval, no retries.

    :param emulator: the one whose bucket gets the audio
    :param changes: arguments that differ, or are added
    """
    return {
        "task_id": "start",
        "text": TEXT,
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "output_s3_key_prefix": "audio/",
        "poke_interval": 0.2,
        "retries": 0,
        "retry_delay": timedelta(0),
    } | changes


def start_dag(emulator: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG of one start operator.

    :param emulator: the one whose bucket gets the audio
    :param changes: arguments of the operator that differ from :func:`start_arguments`, or are added
    """
    with new_dag("start") as dag:
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, **changes))
    return dag
