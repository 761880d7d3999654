"""Functions for the tests that run whole DAGs with the batch operator."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import START, new_dag

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

TASK = "speak"
ITEMS = [
    {"id": "one", "text": "One zebra."},
    {"id": "two", "text": "Two quiet zebras."},
    {"text": "Three."},
]
"""Three items. The last one has no id, so its id is its position."""
IDS = ["one", "two", "2"]
CHARACTERS = sum(len(item["text"]) for item in ITEMS)
MANIFEST = "manifests/{{ run_id | replace(':', '-') }}.json"


def batch_arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for the batch operator: three valid items, a short poll interval, no retries.

    :param emulator: emulator whose bucket receives the audio
    :param changes: arguments to change or add
    """
    return {
        "task_id": TASK,
        "items": ITEMS,
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "output_s3_key_prefix": "audio/",
        "poke_interval": 0.2,
        "retries": 0,
        "retry_delay": timedelta(0),
    } | changes


def batch_dag(emulator: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG with one batch operator.

    :param emulator: emulator whose bucket receives the audio
    :param changes: arguments to change in or add to :func:`batch_arguments`
    """
    with new_dag("batch") as dag:
        PollySynthesizeBatchOperator(**batch_arguments(emulator, **changes))
    return dag


def result_of(run: FinishedRun, *, tries: int = 1, map_index: int = -1) -> dict[str, Any]:
    """Return the result of a batch, and check that its task succeeded.

    :param run: the finished run
    :param tries: the expected number of tries
    :param map_index: the index of a mapped task
    """
    assert run.task(TASK, map_index) == ("success", tries), run.output
    value: dict[str, Any] = run.xcoms(TASK, map_index)["return_value"]
    return value


def totals(value: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the numbers of all, completed, failed and unchanged items.

    :param value: the result, or the XComs of the task
    """
    return value["TotalItems"], value["CompletedItems"], value["FailedItems"], value["UnchangedItems"]


def by_id(value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the items of a result by their ids.

    :param value: the result
    """
    return {item["Id"]: item for item in value["Items"]}


def keys(emulator: RunningEmulator) -> list[str]:
    """Return the keys of all objects in the emulator's bucket.

    :param emulator: the emulator
    """
    with client_of(emulator, "s3") as s3:
        return [each["Key"] for each in s3.list_objects_v2(Bucket=emulator.bucket).get("Contents", [])]


def content(emulator: RunningEmulator, s3_uri: str) -> bytes:
    """Return the content of an object.

    :param emulator: the emulator
    :param s3_uri: the object as ``s3://bucket/key``
    """
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    with client_of(emulator, "s3") as s3:
        found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return found


def manifest_of(emulator: RunningEmulator, value: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a batch as JSON.

    :param emulator: the emulator
    :param value: the result, or the XComs of the task
    """
    manifest: dict[str, Any] = json.loads(content(emulator, value["ManifestS3Uri"]))
    return manifest


def starts(emulator: RunningEmulator) -> int:
    """Return the number of synthesis tasks that the emulator has started.

    :param emulator: the emulator
    """
    return emulator.counters.calls(START, "ok")


def started_tasks(emulator: RunningEmulator) -> list[dict[str, Any]]:
    """Return all synthesis tasks of the emulator.

    :param emulator: the emulator
    """
    with client_of(emulator, "polly") as client:
        pages = client.get_paginator("list_speech_synthesis_tasks").paginate()
        return [each for page in pages for each in page["SynthesisTasks"]]
