"""Checks a manifest that was read from S3 against the batch that is about to use it.

Everyone who can write the object can forge it. A task therefore acts only on places that its own items name.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.batch.manifest import ENDED
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.output.provenance import is_in_bucket, is_pollys_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_polly_provider.batch.manifest import BatchRunId, ItemRecord, Manifest

_SHOWN_PROBLEMS = 5


def validate_manifest(
    manifest: Manifest, *, uri: str, run: BatchRunId, expected: Sequence[ItemRecord]
) -> bool:
    """Check a loaded manifest, and return whether it belongs to this run.

    The result is False if it is the manifest of another run that has ended, which may be replaced.

    An item may have changed since the manifest was written. If ``is_of_same_item`` is False for a record and
    every expected one, the record is history: a task must not act on its places.

    :param manifest: the loaded manifest
    :param uri: where it was loaded from, for errors
    :param run: the run of this task
    :param expected: a new record for each item of this run's batch
    :raises PollyInvalidRequestError: the manifest belongs to another run that has not ended, or it is forged
        or damaged
    """
    if manifest.run != run:
        if manifest.phase == ENDED:
            return False
        other = manifest.run
        raise PollyInvalidRequestError(
            f"{uri} is the manifest of another batch, which has not ended: DAG {other.dag_id!r:.100}, run "
            f"{other.run_id!r:.100}, task {other.task_id!r:.100}, map index {other.map_index}. Put "
            "{{ run_id }} (and {{ ti.map_index }} in a mapped task) into manifest_s3_key. If that batch will "
            "never continue, delete the object."
        )
    if problems := list(_problems(manifest, expected)):
        shown = "; ".join(problems[:_SHOWN_PROBLEMS])
        more = len(problems) - _SHOWN_PROBLEMS
        raise PollyInvalidRequestError(
            f"The manifest {uri} is damaged or forged: {shown}{f'; and {more} more' if more > 0 else ''}. "
            "Find out what wrote it. Then delete the object: with durable=True, the next try finds the "
            "synthesis tasks of this run without it."
        )
    return True


def _problems(manifest: Manifest, expected: Sequence[ItemRecord]) -> Iterator[str]:
    counted = Counter(record.id for record in manifest.records)
    yield from (f"the id {one!r:.100} occurs {count} times" for one, count in counted.items() if count > 1)
    buckets = {record.bucket for record in expected}
    by_id = {record.id: record for record in expected}
    for record in manifest.records:
        problem = _problem_of(record, manifest, by_id, buckets)
        if problem:
            yield f"item {record.id!r:.100} {problem}"


def _problem_of(
    record: ItemRecord,
    manifest: Manifest,
    expected: Mapping[str, ItemRecord],
    buckets: set[str],
) -> str | None:
    if record.bucket not in buckets:
        return f"names bucket {record.bucket!r:.100}, which no item has"
    now = expected.get(record.id)
    if now is None or not record.is_of_same_item(now):
        return None
    if (now.bucket, now.prefix) != (record.bucket, record.prefix):
        return f"names bucket {record.bucket!r:.100} and prefix {record.prefix!r:.100} of another item"
    if record.output_uri is not None and not _is_own_output(record, manifest):
        return f"has the OutputUri {record.output_uri!r:.200}, which is not the place of its output"
    return None


def _is_own_output(record: ItemRecord, manifest: Manifest) -> bool:
    output_uri = record.output_uri or ""
    if not is_in_bucket(output_uri, record.bucket):
        return False
    key = parse_output_uri(output_uri).key
    if record.output_s3_key is not None and key == record.output_s3_key:
        return True
    return is_pollys_key(key, manifest.prefix_of(record)) and f"{record.task_id}." in key
