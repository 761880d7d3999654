"""A batch's manifest in S3, and the tokens of its items.

Tries, later runs and people read manifests that an earlier version wrote. Never change a value here or in
``golden``; see ``support.py``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.batch.manifest import BatchRunId, ItemRecord, Manifest
from airflow_polly_provider.batch.manifest_format import (
    PartReference,
    main_content,
    part_content,
    read_main,
    read_part,
)
from airflow_polly_provider.start.token import batch_item_token
from tests.unit.persisted_formats.support import ADVICE, TASK_ID, assert_unchanged, golden

DIGEST = "cf703df2504d835cc17fe846f3baf53c2ef2cdaa67571136bee3ffb76fb1fe1f"
SHARED: dict[str, Any] = {
    "digest": DIGEST,
    "bucket": "my-bucket",
    "prefix": "audio/",
    "engine": "neural",
}
URI = "https://s3.eu-west-1.amazonaws.com/my-bucket/"
RECORDS = [
    ItemRecord(id="not started", characters=12, **SHARED),
    ItemRecord(id="scheduled", characters=12, status="scheduled", task_id=TASK_ID, **SHARED),
    ItemRecord(
        id="completed",
        characters=12,
        status="completed",
        task_id=TASK_ID,
        output_uri=f"{URI}audio/vr3d4xxha3ogc54p.{TASK_ID}.mp3",
        request_characters=12,
        spoken_characters=12,
        seconds=3.25,
        finished=True,
        **SHARED,
    ),
    ItemRecord(
        id="unchanged",
        characters=12,
        status="completed",
        task_id=TASK_ID,
        output_uri=f"{URI}final/2.mp3",
        request_characters=0,
        spoken_characters=12,
        seconds=3.25,
        unchanged=True,
        finished=True,
        output_s3_key="final/2.mp3",
        speech_digest=DIGEST,
        **SHARED,
    ),
    ItemRecord(
        id="failed", characters=12, status="failed", task_id=TASK_ID, reason="The text is invalid.", **SHARED
    ),
    ItemRecord(
        id="different",
        digest=DIGEST,
        bucket="other-bucket",
        prefix=None,
        characters=12,
        output_s3_key="final/3.wav",
        wav=WavForm(output_format="pcm", sample_rate=16000),
        keep_original=True,
    ),
]
MANIFEST = Manifest(
    run=BatchRunId("podcast", "manual__2025-01-02T03:04:05+00:00", "speak_all", -1, "team-a"),
    began="2025-01-02T03:04:05.250000+00:00",
    run_token="ylgbwnsqy7cfpc3w",
    try_token="mfrggzdfmztwq2lk",
    durable=True,
    phase="waiting",
    created="2025-01-02T03:04:07.250000+00:00",
    records=RECORDS,
)
WRITE_ID = "0123456789abcdef0123456789abcdef"
PART = PartReference("batch.json.parts/0123456789abcdef0123456789abcdef.json", '"etag"', 6)


def encoded(case: str, **extra: Any) -> bytes:
    return json.dumps(golden("batch_manifests")[case] | extra).encode()


def test_the_token_of_an_item_is_unchanged() -> None:
    assert batch_item_token("ylgbwnsqy7cfpc3w", "chapter-1", DIGEST) == "giskkf32wisidop7", ADVICE


class TestManifest:
    def test_with_its_items_is_written_unchanged(self) -> None:
        assert_unchanged(json.loads(main_content(MANIFEST, WRITE_ID)), golden("batch_manifests")["main"])

    def test_with_parts_is_written_unchanged(self) -> None:
        assert_unchanged(
            json.loads(main_content(MANIFEST, WRITE_ID, [PART])), golden("batch_manifests")["main_with_parts"]
        )
        assert_unchanged(json.loads(part_content(MANIFEST, RECORDS)), golden("batch_manifests")["part"])

    def test_of_the_earlier_version_can_be_read(self) -> None:
        assert read_main(encoded("main")) == (MANIFEST, [])
        main, parts = read_main(encoded("main_with_parts"))
        assert (main, parts) == (replace(MANIFEST, records=[]), [PART])
        assert read_part(encoded("part"), main, len(RECORDS)) == RECORDS

    def test_with_members_of_a_later_version_can_be_read(self) -> None:
        content = golden("batch_manifests")["main"]
        for each in (content, content["Run"], content["Defaults"], *content["Items"]):
            each["Later"] = {"any": ["thing"]}
        assert read_main(json.dumps(content).encode()) == (MANIFEST, [])
        part = encoded("part", Later=1)
        assert read_part(part, MANIFEST, len(RECORDS)) == RECORDS
