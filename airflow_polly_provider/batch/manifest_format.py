"""The JSON form of a batch's manifest: a main object and, for many items, parts.

Each object that lists items has ``Defaults``, the values that most of its items share. An item leaves out the
values that equal them. It also leaves out counts of characters that equal its ``RequestCharacters``. Members
that this version does not know are ignored.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.audio.wav import WAV_OUTPUT_FORMATS, WavForm
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.batch import json_members as members
from airflow_polly_provider.batch.manifest import (
    MAX_REASON_CHARACTERS,
    NOT_STARTED,
    PHASES,
    BatchRunId,
    ItemRecord,
    Manifest,
)
from airflow_polly_provider.output.provenance import TASK_ID_PATTERN
from airflow_polly_provider.start.token import TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FORMAT = "airflow_polly_provider/batch-manifest"
VERSION = 1

_STATUSES = frozenset({NOT_STARTED, *TaskStatus})


class PartReference(NamedTuple):
    """A part of a manifest, as its main object lists it."""

    key: str
    etag: str
    item_count: int


def _wav(value: Any) -> WavForm:
    form = members.mapping(value)
    output_format = members.value_of(form, "OutputFormat", members.one_of(WAV_OUTPUT_FORMATS))
    return WavForm(
        output_format=output_format, sample_rate=members.value_of(form, "SampleRate", members.count)
    )


class _Member(NamedTuple):
    """A member of an item.

    :param name: the member's name
    :param attribute: the attribute of :class:`~airflow_polly_provider.batch.manifest.ItemRecord`
    :param read: returns the attribute's value
    :param shared: whether ``Defaults`` contains the value that most items have
    """

    name: str
    attribute: str
    read: Callable[[Any], Any]
    shared: bool = False


_DIGEST = members.matching("[0-9a-f]{64}")
_MEMBERS = (
    _Member("Id", "id", members.text),
    _Member("Digest", "digest", _DIGEST),
    _Member("TaskStatus", "status", members.one_of(_STATUSES)),
    _Member("TaskId", "task_id", members.or_none(members.matching(TASK_ID_PATTERN))),
    _Member("TaskStatusReason", "reason", members.or_none(members.string)),
    _Member("OutputUri", "output_uri", members.or_none(members.text)),
    _Member("RequestCharacters", "request_characters", members.or_none(members.count)),
    _Member("SpokenCharacters", "spoken_characters", members.or_none(members.count)),
    _Member("CountedCharacters", "characters", members.count),
    _Member("DurationSeconds", "seconds", members.or_none(members.seconds)),
    _Member("Unchanged", "unchanged", members.flag),
    _Member("Finished", "finished", members.flag),
    _Member("OutputS3Key", "output_s3_key", members.or_none(members.text)),
    _Member("SpeechDigest", "speech_digest", members.or_none(_DIGEST)),
    _Member("OutputS3BucketName", "bucket", members.text, shared=True),
    _Member("OutputS3KeyPrefix", "prefix", members.or_none(members.string), shared=True),
    _Member("Engine", "engine", members.or_none(members.text), shared=True),
    _Member("Wav", "wav", members.or_none(_wav), shared=True),
    _Member("KeepOriginal", "keep_original", members.flag, shared=True),
)
_SHARED = tuple(member for member in _MEMBERS if member.shared)
_ALWAYS_WRITTEN = frozenset({"id", "digest", "status"})
# An item leaves out these counts if they equal RequestCharacters.
_SAME_AS_BILLED = frozenset({"spoken_characters", "characters"})
_DEFAULTS = {each.name: each.default for each in fields(ItemRecord) if each.default is not MISSING}


def _plain(value: Any) -> Any:
    if isinstance(value, WavForm):
        return {"OutputFormat": value.output_format, "SampleRate": value.sample_rate}
    return value


def _status(status: str) -> str:
    # A status that a later Polly may add is not terminal. The manifest must be readable in any case.
    return status if status in _STATUSES else TaskStatus.IN_PROGRESS.value


def _item_of(record: ItemRecord, defaults: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    billed = record.request_characters
    for name, attribute, _, _ in _MEMBERS:
        value = getattr(record, attribute)
        if attribute not in _ALWAYS_WRITTEN:
            if attribute in _SAME_AS_BILLED and billed is not None:
                if value == billed:
                    continue
            elif attribute in defaults and value == defaults[attribute]:
                continue
        item[name] = _plain(value)
    item["TaskStatus"] = _status(record.status)
    if record.reason is not None:
        item["TaskStatusReason"] = record.reason[:MAX_REASON_CHARACTERS]
    return item


def _record_of(item: Any, defaults: Mapping[str, Any]) -> ItemRecord:
    given = members.mapping(item)
    values = dict(defaults)
    billed = given.get("RequestCharacters")
    for name, attribute, read, _ in _MEMBERS:
        if name in given or (attribute not in values and attribute not in _SAME_AS_BILLED):
            values[attribute] = members.value_of(given, name, read)
        elif attribute in _SAME_AS_BILLED and (billed is not None or attribute not in values):
            values[attribute] = members.value_of(given, "RequestCharacters", members.count)
    record = ItemRecord(**values)
    if record.task_id is None and record.status in {TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS}:
        raise members.MalformedError(f"item {record.id!r:.100} is {record.status}, but has no TaskId")
    return record


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _with_items(header: Mapping[str, Any], records: Sequence[ItemRecord]) -> bytes:
    """Return a JSON object with a header and items, one item in each line."""
    shared = {
        member: Counter(getattr(record, member.attribute) for record in records).most_common(1)[0][0]
        for member in (_SHARED if records else ())
    }
    defaults = _DEFAULTS | {member.attribute: value for member, value in shared.items()}
    written = {
        member.name: _plain(value)
        for member, value in shared.items()
        if member.attribute not in _DEFAULTS or value != _DEFAULTS[member.attribute]
    }
    beginning = _dumps({**header, "Defaults": written})[:-1]
    items = ",\n".join(_dumps(_item_of(record, defaults)) for record in records)
    return f'{beginning},"Items":[\n{items}\n]}}\n'.encode()


def _items_in(content: Mapping[str, Any]) -> list[ItemRecord]:
    given = members.value_of(content, "Defaults", members.mapping)
    defaults = _DEFAULTS | {
        member.attribute: members.value_of(given, member.name, member.read)
        for member in _SHARED
        if member.name in given
    }
    return [_record_of(item, defaults) for item in members.value_of(content, "Items", members.array)]


def part_content(manifest: Manifest, records: Sequence[ItemRecord]) -> bytes:
    """Return the content of a part. It differs from the content of every part of another run token.

    :param manifest: the manifest
    :param records: the items in the part
    """
    return _with_items({"RunToken": manifest.run_token, "Created": manifest.created}, records)


def main_content(manifest: Manifest, write_id: str, parts: Sequence[PartReference] = ()) -> bytes:
    """Return the content of the main object.

    :param manifest: the manifest
    :param write_id: an id of this writing, which no other content has
    :param parts: the parts that contain the items; if there is none, the main object contains them
    """
    header = {
        "Format": FORMAT,
        "Version": VERSION,
        "WriteId": write_id,
        "Run": manifest.run._asdict(),
        "RunBegan": manifest.began,
        "RunToken": manifest.run_token,
        "TryToken": manifest.try_token,
        "Durable": manifest.durable,
        "Phase": manifest.phase,
        "Created": manifest.created,
        "ItemCount": len(manifest.records),
    }
    if not parts:
        return _with_items(header, manifest.records)
    listed = [{"Key": part.key, "ETag": part.etag, "ItemCount": part.item_count} for part in parts]
    return f"{_dumps({**header, 'Parts': listed})}\n".encode()


def read_main(content: bytes) -> tuple[Manifest, list[PartReference]]:
    """Return the manifest in a main object, and its parts. If it has parts, it has no records yet.

    :param content: the main object's content
    :raises airflow_polly_provider.batch.json_members.MalformedError: the content is not a manifest of this
        package, or it is damaged
    """
    given = members.json_object(content)
    if given.get("Format") != FORMAT:
        raise members.MalformedError(
            f"it is not a manifest of this package (Format is {given.get('Format')!r:.100})"
        )
    version = members.value_of(given, "Version", members.count)
    if version > VERSION:
        raise members.MalformedError(
            f"a later version of this package wrote it (Version is {version!r:.100})"
        )
    run = members.value_of(given, "Run", members.mapping)
    readers: dict[str, Callable[[Any], Any]] = dict.fromkeys(BatchRunId._fields, members.string)
    readers["map_index"] = members.integer
    manifest = Manifest(
        run=BatchRunId(**{name: members.value_of(run, name, read) for name, read in readers.items()}),
        began=members.value_of(given, "RunBegan", members.string),
        run_token=members.value_of(given, "RunToken", members.matching(f"[a-z2-7]{{{TOKEN_CHARACTERS}}}")),
        try_token=members.value_of(given, "TryToken", members.matching(f"[a-z2-7]{{{TOKEN_CHARACTERS}}}")),
        durable=members.value_of(given, "Durable", members.flag),
        phase=members.value_of(given, "Phase", members.one_of(PHASES)),
        created=members.value_of(given, "Created", members.time_with_offset),
        records=[] if "Parts" in given else _items_in(given),
    )
    parts = (
        [_part_of(each) for each in members.value_of(given, "Parts", members.array)]
        if "Parts" in given
        else []
    )
    count = sum(part.item_count for part in parts) if parts else len(manifest.records)
    if count != members.value_of(given, "ItemCount", members.count):
        raise members.MalformedError("ItemCount differs from the number of items")
    return manifest, parts


def _part_of(value: Any) -> PartReference:
    part = members.mapping(value)
    return PartReference(
        members.value_of(part, "Key", members.text),
        members.value_of(part, "ETag", members.text),
        members.value_of(part, "ItemCount", members.count),
    )


def read_part(content: bytes, manifest: Manifest, count: int) -> list[ItemRecord]:
    """Return the items in a part.

    :param content: the part's content
    :param manifest: the manifest in the main object
    :param count: the number of items that the main object states
    :raises airflow_polly_provider.batch.json_members.MalformedError: the content is not a part of this
        manifest, or it is damaged
    """
    given = members.json_object(content)
    if (given.get("RunToken"), given.get("Created")) != (manifest.run_token, manifest.created):
        raise members.MalformedError("it is not a part of this manifest")
    records = _items_in(given)
    if len(records) != count:
        raise members.MalformedError(f"it has {len(records)} items instead of {count!r:.30}")
    return records
