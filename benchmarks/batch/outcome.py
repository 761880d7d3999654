"""Counts what a run has synthesized, as Polly and S3 report it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

_MANIFESTS = "manifests/"


class Outcome:
    """Reads the synthesis tasks and objects of an emulator without its quotas.

    :param emulator: emulator with the synthesis tasks and the bucket
    :param bucket: bucket for audio and manifests, which is created with versioning, so that the bytes of all
        versions of a manifest can be added up
    """

    def __init__(self, emulator: RunningEmulator, bucket: str) -> None:
        self._emulator = emulator
        self._bucket = bucket
        self._polly = boto3.client("polly", **emulator.client_settings)  # type: ignore[call-overload]
        self._s3: Any = boto3.client("s3", **emulator.client_settings)  # type: ignore[call-overload]
        self._s3.create_bucket(Bucket=bucket)
        self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._earlier: set[str] = set()
        self._earlier_manifest_bytes = 0

    def reset(self) -> None:
        """Leave what exists now out of the counts."""
        self._earlier = {task["TaskId"] for task in self._synthesis_tasks()}
        self._earlier_manifest_bytes = self._manifest_bytes()

    def count(self, texts: int) -> dict[str, int]:
        """Return the counts since the last reset.

        The text is not in Polly's list. But the token in the object's key is different for each text.

        :param texts: number of texts that should have been synthesized
        """
        by_text: dict[str, Counter[str]] = {}
        for task in self._synthesis_tasks():
            if task["TaskId"] not in self._earlier:
                token = task["OutputUri"].rpartition("/")[2].partition(".")[0]
                by_text.setdefault(token, Counter())[task["TaskStatus"]] += 1
        started = sum(statuses.total() for statuses in by_text.values())
        return {
            "started": started,
            "started_again": started - len(by_text),
            "failed": sum(statuses["failed"] for statuses in by_text.values()),
            "lost": texts - sum(bool(statuses["completed"]) for statuses in by_text.values()),
            "manifest_bytes": self._manifest_bytes() - self._earlier_manifest_bytes,
        }

    def objects(self, prefix: str) -> int:
        """Return the number of objects whose keys begin with a prefix."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return sum(page["KeyCount"] for page in pages)

    def _synthesis_tasks(self) -> list[Any]:
        """Return all synthesis tasks. This is not counted as a request of Airflow's."""
        pages = self._polly.get_paginator("list_speech_synthesis_tasks").paginate()
        return [task for page in pages for task in page["SynthesisTasks"]]

    def _manifest_bytes(self) -> int:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=_MANIFESTS
        )
        return sum(version["Size"] for page in pages for version in page.get("Versions", []))
