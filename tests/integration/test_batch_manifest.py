"""The manifest of a batch in the emulator's S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch import manifest_store
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.exceptions import PollyManifestReplacedError
from tests.unit.batch.records import manifest, record, started

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

KEY = "batches/one.json"


def keys_in(s3: Any, bucket: str) -> set[str]:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=KEY)
    return {each["Key"] for each in listed.get("Contents", [])}


def test_two_writers_and_parts(emulator: RunningEmulator, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_store, "ITEMS_PER_PART", 10)
    place = S3Location(emulator.bucket, KEY)
    first, second = (ManifestStore(lambda: s3, place) for _ in range(2))
    assert first.load() is None
    one = manifest([record(number) for number in range(25)])
    first.save(one)
    with pytest.raises(PollyManifestReplacedError):
        second.save(one)

    assert second.load() == one
    etag = second.etag
    one.records[0] = started(0)
    second.save(one)
    with pytest.raises(PollyManifestReplacedError):
        first.save(one)
    with pytest.raises(PollyManifestReplacedError):
        ManifestStore(lambda: s3, place).load(etag=etag)
    assert ManifestStore(lambda: s3, place).load(etag=second.etag) == one
    assert len(keys_in(s3, emulator.bucket)) == 4

    second.save(manifest([]))
    assert keys_in(s3, emulator.bucket) == {KEY}
    s3.delete_object(Bucket=emulator.bucket, Key=KEY)
    with pytest.raises(PollyManifestReplacedError):
        second.save(one)
