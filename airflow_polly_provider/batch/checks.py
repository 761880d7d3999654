"""Checks of a whole batch, before anything is started. Each check names all items that it rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.batch.item_report import MAX_LISTED
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.voices import validate_voice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.batch.manifest import ItemRecord
    from airflow_polly_provider.hooks.polly import PollyHook


def listed(ids: Sequence[str]) -> str:
    """Return ids for an error message, at most fifty and the number of the others.

    :param ids: the ids
    """
    more = len(ids) - MAX_LISTED
    return ", ".join(ids[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def validate_output_keys(
    items: Iterable[BatchItem], manifest: S3Location, *, wait_for_completion: bool
) -> None:
    """Raise an error if the output keys of items do not fit the settings of the batch.

    :param items: the checked items
    :param manifest: the manifest's location
    :param wait_for_completion: the operator's parameter
    :raises PollyInvalidRequestError: items have an ``output_s3_key`` although the task does not wait, or it
        is the manifest's key
    """
    named = [item for item in items if item.output_s3_key is not None]
    if named and not wait_for_completion:
        raise PollyInvalidRequestError(
            "output_s3_key needs wait_for_completion=True: the task copies the object after Polly wrote it. "
            f"Items with output_s3_key: {listed([item.id for item in named])}."
        )
    same = [item.id for item in named if (item.request["OutputS3BucketName"], item.output_s3_key) == manifest]
    if same:
        raise PollyInvalidRequestError(
            f"The output_s3_key of item {listed(same)} is the key of the manifest, {manifest.key!r}. Change "
            "it, or set manifest_s3_key."
        )


def validate_total(max_total_request_characters: int | None, records: Iterable[ItemRecord]) -> None:
    """Raise an error if a batch would be billed for more characters than the limit.

    :param max_total_request_characters: maximum number of billed characters; None for no limit
    :param records: the records of all items. Unchanged items cost nothing
    :raises PollyInvalidRequestError: the batch exceeds the limit
    """
    if max_total_request_characters is None:
        return
    paid = [record for record in records if not record.unchanged]
    total = sum(record.characters for record in paid)
    if total > max_total_request_characters:
        raise PollyInvalidRequestError(
            f"Polly would bill {total:,} characters for {len(paid):,} items, but "
            f"max_total_request_characters is {max_total_request_characters:,}. This try started nothing. "
            "Remove items or raise the limit, then clear the task."
        )


def validate_voices(hook: PollyHook, items: Iterable[BatchItem]) -> None:
    """Raise an error if the region does not support the voice, engine and language of items.

    :param hook: the hook, which reads the voices with DescribeVoices or from its cache
    :param items: the items that will be started
    :raises PollyInvalidRequestError: a combination is not supported; the error lists the items and
        alternatives
    """
    alike: dict[tuple[str | None, ...], list[BatchItem]] = {}
    for item in items:
        speech = tuple(item.request.get(name) for name in ("VoiceId", "Engine", "LanguageCode"))
        alike.setdefault(speech, []).append(item)
    voices, problems = hook.voices(), []
    for same in alike.values():
        try:
            validate_voice(voices, same[0].request, hook.asked_region)
        except PollyInvalidRequestError as error:
            problems.append(f"{listed([item.id for item in same])}: {error}")
    if problems:
        raise PollyInvalidRequestError(
            "Items have a voice that cannot speak them, so nothing was sent:\n" + "\n".join(problems)
        )


def lexicon_names_of(requests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of all lexicons in requests, sorted.

    :param requests: the requests
    """
    names: set[str] = set()
    for request in requests:
        names.update(request.get("LexiconNames", ()))
    return sorted(names)
