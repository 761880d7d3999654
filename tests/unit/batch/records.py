"""Records and manifests for tests."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from airflow_polly_provider.batch.manifest import WAITING, BatchRunId, ItemRecord, Manifest
from tests.unit.batch.fake_s3 import BUCKET

RUN = BatchRunId("podcast", "manual__2026-11-27T00:00:00+00:00", "speak_all", -1, "")
RUN_TOKEN = "ylgbwnsqy7cfpc3w"


def digest(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def task_id(number: int) -> str:
    return f"7e8d1036-b26e-498f-a8aa-{number:012x}"


def record(number: int = 0, **fields: Any) -> ItemRecord:
    """Return the record of an item that was not started."""
    given: dict[str, Any] = {
        "id": f"chapter-{number:05}",
        "digest": digest(number),
        "bucket": BUCKET,
        "prefix": "podcasts/episode/",
        "characters": 1000 + number % 2000,
        "engine": "neural",
    } | fields
    return ItemRecord(**given)


def manifest(records: list[ItemRecord], **fields: Any) -> Manifest:
    given: dict[str, Any] = {
        "run": RUN,
        "began": "2026-11-27T00:00:01.250000+00:00",
        "run_token": RUN_TOKEN,
        "try_token": RUN_TOKEN,
        "durable": True,
        "phase": WAITING,
        "created": "2026-11-27T00:00:05.500000+00:00",
    } | fields
    return Manifest(**given, records=records)


def started(number: int = 0, status: str = "scheduled", **fields: Any) -> ItemRecord:
    return record(number, status=status, task_id=task_id(number), **fields)


def delivered(number: int = 0, **fields: Any) -> ItemRecord:
    """Return the record of an item whose object is where Polly wrote it."""
    done = started(number, "completed", finished=True, seconds=61.488 + number / 8, **fields)
    prefix = manifest([]).prefix_of(done)
    uri = f"https://s3.eu-west-1.amazonaws.com/{done.bucket}/{prefix}.{done.task_id}.mp3"
    return replace(
        done, output_uri=uri, request_characters=done.characters, spoken_characters=done.characters
    )
