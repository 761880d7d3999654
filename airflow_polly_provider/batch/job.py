"""One item of a batch together with its record in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.audio.wav import WAV
from airflow_polly_provider.batch.manifest import ItemRecord
from airflow_polly_provider.start.token import speech_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.batch.items import BatchItem


class Job(NamedTuple):
    """An item whose synthesis task must be started, and its record.

    :param item: the item, with its text
    :param record: the item's record in the manifest
    """

    item: BatchItem
    record: ItemRecord


def new_record(item: BatchItem, lexicons: Mapping[str, str]) -> ItemRecord:
    """Return the record of an item that was not started.

    :param item: the item
    :param lexicons: the contents of lexicons by name; needed only for items with ``skip_if_unchanged``
    """
    request = item.request
    digest = None
    if item.output_s3_key is not None:
        # As in the start operator, the contents of lexicons count only if a later run compares them.
        named = request.get("LexiconNames", ()) if item.skip_if_unchanged else ()
        container = None if item.wav is None else WAV
        digest = speech_digest(request, {name: lexicons[name] for name in named}, container)
    return ItemRecord(
        id=item.id,
        digest=item.digest,
        bucket=request["OutputS3BucketName"],
        prefix=request.get("OutputS3KeyPrefix"),
        characters=item.characters,
        engine=request.get("Engine"),
        output_s3_key=item.output_s3_key,
        speech_digest=digest,
        wav=item.wav,
        keep_original=item.keep_original,
    )


def is_record_of(record: ItemRecord, item: BatchItem) -> bool:
    """Return whether an earlier try's record describes the same request with the same output.

    :param record: the record that an earlier try wrote
    :param item: the item of this try
    """
    return (record.id, record.digest, record.output_s3_key, record.keep_original) == (
        item.id,
        item.digest,
        item.output_s3_key,
        item.keep_original,
    )
