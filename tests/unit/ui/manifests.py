"""Manifests of batches, as a batch writes them."""

from __future__ import annotations

from typing import Any

from airflow_polly_provider.batch.manifest import ENDED, BatchRunId, ItemRecord, Manifest
from airflow_polly_provider.batch.manifest_format import PartReference, main_content, part_content
from tests.unit.ui.support import BUCKET, DAG, RUN, TASK

URI = f"s3://{BUCKET}/batch/manifest.json"
TOKEN = "a" * 16


def record(number: int, uri: str | None = None, **more: Any) -> ItemRecord:
    return ItemRecord(
        id=f"item-{number}",
        digest=f"{number:064x}",
        bucket=BUCKET,
        prefix=None,
        characters=5,
        status="completed",
        task_id=f"00000000-0000-4000-8000-{number:012d}",
        output_uri=uri or f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/batch/{number}.mp3",
        request_characters=5,
        finished=True,
        **more,
    )


def manifest(records: list[ItemRecord], **run: Any) -> Manifest:
    of: dict[str, Any] = {
        "dag_id": DAG,
        "run_id": RUN,
        "task_id": TASK,
        "map_index": -1,
        "namespace": "n",
    } | run
    return Manifest(
        run=BatchRunId(**of),
        began="2026-01-02T03:04:05+00:00",
        run_token=TOKEN,
        try_token=TOKEN,
        durable=True,
        phase=ENDED,
        created="2026-01-02T03:04:05+00:00",
        records=records,
    )


def content(records: list[ItemRecord], **run: Any) -> bytes:
    return main_content(manifest(records, **run), "w" * 32)


def in_parts(records: list[ItemRecord], key: str, etag: str, count: int) -> tuple[bytes, bytes]:
    """Return a main object that lists one part, and this part."""
    whole = manifest(records)
    return main_content(whole, "w" * 32, [PartReference(key, etag, count)]), part_content(whole, records)
