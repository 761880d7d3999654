"""The result of a batch: totals, the manifest's location, and the items."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from airflow_polly_provider.request.pricing import ESTIMATED_COST
from airflow_polly_provider.results.cost import cost_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger(__name__)

MAX_ITEMS_BYTES = 512 * 1024
"""Maximum size of ``Items`` as JSON, in bytes. A larger list is left out of the result.

About 1,500 items with keys of ordinary length have this size. The manifest always contains all items.
"""

BATCH_XCOM_KEYS = (
    "Items",
    "TotalItems",
    "CompletedItems",
    "FailedItems",
    "UnchangedItems",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
    ESTIMATED_COST,
    "ManifestS3Uri",
    "ManifestUri",
)
"""The fields of a batch's result that are also pushed to XCom under separate keys."""


class BatchItemXCom(TypedDict):
    """One item in ``Items`` of a batch's result."""

    Id: str
    """The item's ``id``, or its position in the list, from 0."""
    TaskStatus: str
    """Polly's TaskStatus; ``notStarted`` if no synthesis task was started."""
    RequestCharacters: int
    """Billed characters; 0 if the item is unchanged or was not started."""
    TaskId: NotRequired[str]
    OutputUri: NotRequired[str]
    OutputS3Uri: NotRequired[str]
    SpokenCharacters: NotRequired[int]
    DurationSeconds: NotRequired[float]
    EstimatedCost: NotRequired[float]
    Unchanged: NotRequired[bool]
    """True if the object was up to date, so that nothing was started or billed."""
    TaskStatusReason: NotRequired[str]
    """Why the item failed."""


class BatchXCom(TypedDict):
    """The result of :class:`~airflow_polly_provider.operators.batch.PollySynthesizeBatchOperator`."""

    TotalItems: int
    CompletedItems: int
    """Number of items whose speech is at its final place, including the unchanged ones."""
    FailedItems: int
    UnchangedItems: int
    RequestCharacters: int
    """Billed characters of all items of this run."""
    SpokenCharacters: int
    """Billed lengths of the speech of all completed items, including the unchanged ones."""
    DurationSeconds: NotRequired[float]
    """Duration of all completed items whose duration is known, in seconds; absent if none is known."""
    EstimatedCost: NotRequired[float]
    """The cost of ``RequestCharacters`` in your currency; absent if an engine has no price."""
    ManifestS3Uri: NotRequired[str]
    """The manifest as ``s3://bucket/key``; absent after a dry run."""
    ManifestUri: NotRequired[str]
    """The manifest as an https address; absent if no item has an ``OutputUri``."""
    Items: NotRequired[list[BatchItemXCom]]
    """The items in the given order; absent if the list is larger than :data:`MAX_ITEMS_BYTES`."""
    DryRun: NotRequired[bool]
    """Only after a dry run: always True."""


def items_that_fit(items: Iterable[Mapping[str, Any]], total: int) -> dict[str, Any]:
    """Return the result field ``Items``; empty if the list is too large for XCom.

    :param items: the items in the given order; none is read after the limit
    :param total: the number of items
    """
    fitting, size = [], len("[]")
    for item in items:
        size += len(json.dumps(item, separators=(",", ":")).encode()) + len(",")
        if size > MAX_ITEMS_BYTES:
            log.info(
                "The result has no Items, because the list of %d items is larger than %d bytes. The manifest "
                "contains all items",
                total,
                MAX_ITEMS_BYTES,
            )
            return {}
        fitting.append(item)
    return {"Items": fitting}


def log_batch(value: Mapping[str, Any]) -> None:
    """Log the totals of a batch.

    :param value: the result
    """
    seconds = value.get("DurationSeconds")
    log.info(
        "%d items: %d completed, %d of them unchanged, %d failed. %d characters billed%s%s. Manifest: %s",
        value["TotalItems"],
        value["CompletedItems"],
        value["UnchangedItems"],
        value["FailedItems"],
        value["RequestCharacters"],
        cost_words(value),
        "" if seconds is None else f", {seconds:.1f} s of audio",
        value.get("ManifestS3Uri", "none"),
    )
