"""Functions that create DAGs for the tests, and the modes in which their tasks wait."""

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
    """Return an empty DAG without a schedule and with a unique id.

    :param name: beginning of the id
    :param settings: additional arguments of the DAG
    """
    return DAG(
        f"{name}_{uuid.uuid4().hex}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None, **settings
    )


def output_of(task: Any) -> Any:
    """Return an operator's output as ``Any``, so that later tasks can use it.

    Airflow declares the type XComArg, which cannot be indexed and is not the type of the value.
    """
    return task.output


def start_arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for the start operator: a valid request, a short poll interval, no retries.

    :param emulator: emulator whose bucket receives the audio
    :param changes: arguments to change or add
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
    """Return a DAG with one start operator.

    :param emulator: emulator whose bucket receives the audio
    :param changes: arguments to change in or add to :func:`start_arguments`
    """
    with new_dag("start") as dag:
        PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, **changes))
    return dag
