"""Looks at the objects in S3 that items may already have: unchanged ones, and those of earlier tries."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.batch.checks import lexicon_names_of
from airflow_polly_provider.batch.finishing import THREADS
from airflow_polly_provider.output.placement import output_exists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.batch.job import Job
    from airflow_polly_provider.batch.manifest import ItemRecord
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.placement import OutputPlacement, Reusable
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)

Given = TypeVar("Given")
Found = TypeVar("Found")

_AT_ONCE = 1000
"""Number of items whose results are held in memory at the same time."""


def find_reusable(
    jobs: Sequence[Job], placement_of: Callable[[ItemRecord], OutputPlacement | None], *, cleans_up: bool
) -> Iterator[tuple[Job, Reusable]]:
    """Yield the items whose object at ``output_s3_key`` does not need to be made again.

    :param jobs: items with ``output_s3_key``
    :param placement_of: returns the placement of a record's object
    :param cleans_up: whether to remove an original that an earlier try of this run left
    :raises PollyConfigurationError: S3 denies access to an object's metadata
    :raises PollyOutputObjectError: S3 failed to return an object's metadata
    """

    def look(job: Job) -> Reusable | None:
        placement = placement_of(job.record)
        if placement is None:
            return None
        found = placement.find_reusable(job.item.request)
        if cleans_up and found is not None and found.by_this_run:
            placement.remove_leftover_original(found.provenance)
        return found

    for job, found in in_threads(look, jobs):
        if found is not None:
            yield job, found


def record_reused(record: ItemRecord, found: Reusable) -> None:
    """Write into a record that the item's object already exists.

    :param record: the record
    :param found: the existing object
    """
    synthesis_task = found.synthesis_task
    record.status = TaskStatus.COMPLETED.value
    record.task_id = synthesis_task["TaskId"]
    record.output_uri = synthesis_task["OutputUri"]
    record.request_characters = synthesis_task["RequestCharacters"]
    record.spoken_characters = synthesis_task["SpokenCharacters"]
    record.unchanged = not found.by_this_run
    record.finished = True
    record.reason = None


def missing_objects(
    records: Sequence[ItemRecord], s3: S3Access, placement_of: Callable[[ItemRecord], OutputPlacement | None]
) -> list[ItemRecord]:
    """Return the records whose object exists neither where it was last known nor at ``output_s3_key``.

    :param records: records of completed items
    :param s3: the access to S3
    :param placement_of: returns the placement of a record's object
    """

    def exists(record: ItemRecord) -> bool:
        return object_exists(record.output_uri, s3, placement_of(record))

    return [record for record, found in in_threads(exists, records) if not found]


def object_exists(output_uri: str | None, s3: S3Access, placement: OutputPlacement | None) -> bool:
    """Return whether the object of a completed item exists. If S3 does not tell, it counts as existing.

    :param output_uri: where the object was last known
    :param s3: the access to S3
    :param placement: the placement of the object, if it has an ``output_s3_key``
    """
    try:
        return output_exists(parse_output_uri(str(output_uri)), s3=s3, placement=placement)
    except (ClientError, BotoCoreError, ValueError) as error:
        log.info("Cannot check whether %s exists (%s); assuming that it does", output_uri, error)
        return True


def in_threads(look: Callable[[Given], Found], given: Sequence[Given]) -> Iterator[tuple[Given, Found]]:
    """Yield each value with the result of a function that requests something for it, in the given order.

    :param look: the function; called in threads
    :param given: the values
    """
    with ThreadPoolExecutor(THREADS, thread_name_prefix="polly-look") as pool:
        try:
            for first in range(0, len(given), _AT_ONCE):
                some = given[first : first + _AT_ONCE]
                yield from zip(some, pool.map(look, some), strict=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def lexicons_of(hook: PollyHook, items: Iterable[BatchItem]) -> dict[str, str]:
    """Return the contents of the lexicons that a later run will compare, by name.

    :param hook: the hook that reads them
    :param items: the items; only those with ``skip_if_unchanged`` count
    :raises PollyLexiconNotFoundError: a lexicon does not exist
    """
    names = lexicon_names_of(item.request for item in items if item.skip_if_unchanged)
    return {name: hook.get_lexicon(name)["Lexicon"]["Content"] for name in names}
