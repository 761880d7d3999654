"""Makes the result of a batch from the records of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.batch.item_report import MAX_LISTED
from airflow_polly_provider.batch.manifest import NOT_STARTED
from airflow_polly_provider.request.pricing import ESTIMATED_COST, engine_prices, estimated_cost
from airflow_polly_provider.results.batch import items_that_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.manifest import ItemRecord


def batch_result(records: Sequence[ItemRecord], manifest: S3Location) -> dict[str, Any]:
    """Return the result of a batch.

    :param records: the records of all items, in the given order
    :param manifest: the manifest's location
    """
    value = {**_totals(records), "ManifestS3Uri": manifest.uri}
    if (uri := _https_uri(records, manifest)) is not None:
        value["ManifestUri"] = uri
    return value | _items(records)


def estimate_result(records: Sequence[ItemRecord]) -> dict[str, Any]:
    """Return the result of a dry run: what Polly would bill for the items that are not unchanged.

    :param records: the records of all items, in the given order
    """
    for record in records:
        if record.status == NOT_STARTED:
            record.request_characters = record.spoken_characters = record.characters
        elif record.status == TaskStatus.COMPLETED:
            # A dry run does not wait for the duration of an object that is already in place.
            record.finished = True
    return {**_totals(records), **_items(records), "DryRun": True}


def _items(records: Sequence[ItemRecord]) -> dict[str, Any]:
    prices = engine_prices()
    return items_that_fit((item_of(record, prices) for record in records), len(records))


def item_of(record: ItemRecord, prices: Mapping[str, float]) -> dict[str, Any]:
    """Return an item as it appears in ``Items``.

    :param record: the item's record
    :param prices: the price of a million characters for each engine
    """
    item: dict[str, Any] = {
        "Id": record.id,
        "TaskStatus": record.status,
        "RequestCharacters": record.request_characters or 0,
    }
    optional = {
        "TaskId": record.task_id,
        "OutputUri": record.output_uri,
        "OutputS3Uri": _s3_uri(record.output_uri),
        "SpokenCharacters": record.spoken_characters,
        "DurationSeconds": record.seconds,
        ESTIMATED_COST: estimated_cost(record.request_characters, record.engine, prices),
        "Unchanged": record.unchanged or None,
        "TaskStatusReason": record.reason,
    }
    return item | {name: value for name, value in optional.items() if value is not None}


def failed_items(records: Iterable[ItemRecord]) -> list[ItemRecord]:
    """Return the items that failed or whose speech could not be delivered.

    :param records: the records of all items
    """
    return [record for record in records if record.reason is not None and not record.finished]


def failure_lines(failed: Sequence[ItemRecord]) -> str:
    """Return the ids and reasons of failed items for an error message, at most fifty.

    :param failed: the records of the failed items
    """
    lines = [f"{record.id}: {record.reason}" for record in failed[:MAX_LISTED]]
    if (more := len(failed) - MAX_LISTED) > 0:
        lines.append(f"… and {more:,} more; the manifest lists all")
    return "\n".join(lines)


def output_s3_uris(records: Iterable[ItemRecord]) -> list[str]:
    """Return the ``s3://`` URIs of the objects that a batch wrote in this run.

    :param records: the records of all items
    """
    written = (record.output_uri for record in records if record.finished and not record.unchanged)
    return [uri for output_uri in written if (uri := _s3_uri(output_uri)) is not None]


def _totals(records: Sequence[ItemRecord]) -> dict[str, Any]:
    finished = [record for record in records if record.finished]
    seconds = [record.seconds for record in finished if record.seconds is not None]
    billed: dict[str | None, int] = {}
    for record in records:
        billed[record.engine] = billed.get(record.engine, 0) + (record.request_characters or 0)
    costs = [estimated_cost(characters, engine) for engine, characters in billed.items()]
    totals: dict[str, Any] = {
        "TotalItems": len(records),
        "CompletedItems": len(finished),
        "FailedItems": len(failed_items(records)),
        "UnchangedItems": sum(record.unchanged for record in records),
        "RequestCharacters": sum(billed.values()),
        "SpokenCharacters": sum(record.spoken_characters or 0 for record in records),
    }
    if seconds:
        totals["DurationSeconds"] = round(sum(seconds), 3)
    if all(cost is not None for cost in costs):
        totals[ESTIMATED_COST] = round(sum(cost for cost in costs if cost is not None), 6)
    return totals


def _s3_uri(output_uri: str | None) -> str | None:
    try:
        return parse_output_uri(output_uri or "").uri
    except ValueError:
        return None


def _https_uri(records: Iterable[ItemRecord], manifest: S3Location) -> str | None:
    """Return the manifest's address in the form of Polly's ``OutputUri``, which names the region."""
    for record in records:
        if record.output_uri is None or record.bucket != manifest.bucket:
            continue
        try:
            key = parse_output_uri(record.output_uri).key
        except ValueError:
            continue
        return record.output_uri.removesuffix(key) + manifest.key
    return None
