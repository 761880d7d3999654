"""Makes the list of tracks that the page shows from the XComs of tasks and the manifests of batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY
from airflow_polly_provider.results.delivery import ERROR_MESSAGE_KEY
from airflow_polly_provider.ui.media_types import unplayable_reason
from airflow_polly_provider.ui.s3_clients import AwsConnection
from airflow_polly_provider.ui.xcoms import RETURN_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.ui.xcoms import TaskInstanceId

    ReadManifest = Callable[[TaskInstanceId, AwsConnection, S3Location], Sequence[Mapping[str, Any]]]
    """Returns the items of a batch from its manifest, in the form of ``Items`` of a batch's result."""

_MAX_NUMBER = 10**12

NOT_PLAYED = "NotPlayed"
"""The member of an item that says why its audio is not played, although it is complete."""

MAX_TRACKS = 20_000
"""Maximum number of tracks that one page lists."""

_NO_CONNECTION = (
    "This audio cannot be played here, because the task did not record its AWS connection. Download the "
    "object from S3."
)


class NotAvailableError(Exception):
    """What was asked for does not exist, or must not be read. The message is a sentence for the listener."""


@dataclass
class Track:
    """A track: the audio of a task, of an item of a batch, or of a document; or its failure.

    :param instance: the task instance
    :param item: id of the batch's item; None if the task is not a batch
    :param status: Polly's TaskStatus; ``failed`` if the task failed before it had one
    :param facts: the facts that the page shows, by their name in the JSON form
    :param connection: how the task reached AWS; None if it did not record it
    :param location: the audio; None if there is none
    :param captions: the object with WebVTT captions
    :param transcript: the object with the JSON transcript
    :param chapters: the chapters of a document's result
    :param chapters_location: the object with podcast chapters, for a document whose result has no chapters
    """

    instance: TaskInstanceId
    item: str | None = None
    status: str = ""
    unchanged: bool = False
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    connection: AwsConnection | None = None
    location: S3Location | None = None
    captions: S3Location | None = None
    transcript: S3Location | None = None
    chapters: Sequence[Mapping[str, Any]] | None = None
    chapters_location: S3Location | None = None

    @property
    def _is_complete(self) -> bool:
        return self.location is not None and self.status == TaskStatus.COMPLETED

    def _unplayable_reason(self) -> str | None:
        if self.location is None or not self._is_complete:
            return self.reason or ""
        if self.connection is None:
            return _NO_CONNECTION
        return unplayable_reason(self.facts.get("format"), self.location.key)

    def audio_source(self) -> tuple[AwsConnection, S3Location]:
        """Return how to reach the audio, and where it is.

        :raises NotAvailableError: there is no audio, or it cannot be reached
        """
        if self.status != TaskStatus.COMPLETED:
            raise NotAvailableError("This audio is not complete.")
        return self.source(self.location, "audio")

    def source(self, location: S3Location | None, what: str) -> tuple[AwsConnection, S3Location]:
        """Return how to reach an object of this track, and where it is.

        :param location: the object; None if there is none
        :param what: what the object is, for the error
        :raises NotAvailableError: there is no such object, or it cannot be reached
        """
        if location is None:
            raise NotAvailableError(f"This track has no {what}.")
        if self.connection is None:
            raise NotAvailableError(_NO_CONNECTION)
        return self.connection, location

    def to_json(self) -> dict[str, Any]:
        """Return the form that the page receives. It has no bucket or key except the S3 URI to be shown."""
        unplayable = self._unplayable_reason()
        return {
            "task_id": self.instance.task_id,
            "map_index": self.instance.map_index,
            "item": self.item,
            "status": self.status,
            "unchanged": self.unchanged,
            "playable": unplayable is None,
            "downloadable": self._is_complete and self.connection is not None,
            "reason": self.reason or unplayable or None,
            **dict.fromkeys((*_TEXTS.values(), *_NUMBERS.values())),
            **self.facts,
            "s3_uri": None if self.location is None else self.location.uri,
            "captions": self.captions is not None,
            "transcript": self.transcript is not None,
            "chapters": bool(self.chapters) or self.chapters_location is not None,
        }


# The name in the JSON form for each key of a result.
_TEXTS = {
    "VoiceId": "voice",
    "Engine": "engine",
    "LanguageCode": "language",
    "OutputFormat": "format",
    "SampleRate": "sample_rate",
    "TaskId": "synthesis_task_id",
}
_NUMBERS = {
    "RequestCharacters": "characters",
    "SpokenCharacters": "spoken_characters",
    "DurationSeconds": "seconds",
    "EstimatedCost": "cost",
}


def tracks_of(instance: TaskInstanceId, xcoms: Mapping[str, Any], read_manifest: ReadManifest) -> list[Track]:
    """Return the tracks of a task instance.

    :param instance: the task instance
    :param xcoms: its XComs, value by key
    :param read_manifest: reads the manifest of a batch whose result does not list its items
    :raises NotAvailableError: the manifest cannot be read, or must not be
    """
    result = xcoms.get(RETURN_VALUE)
    result = result if isinstance(result, dict) else {}
    connection = AwsConnection.from_xcom(xcoms.get(AWS_CONNECTION_KEY))
    if result.get("DryRun"):
        return []
    manifest = _location(xcoms.get("ManifestS3Uri"))
    if manifest is not None and "TotalPieces" not in result and "OutputS3Uri" not in xcoms:
        return _batch_tracks(instance, xcoms, result, connection, manifest, read_manifest)
    track = _track(instance, {**_scalars(xcoms), **_scalars(result)}, connection)
    if error := _text(xcoms.get(ERROR_MESSAGE_KEY)):
        # Polly's status may be another one: a task can fail because it waited too long, or after the wait.
        track.reason, track.status = error, TaskStatus.FAILED
    if not track.status:
        if track.location is None:  # of a task that makes no audio in S3, such as one that stores a lexicon
            return []
        track.status = TaskStatus.COMPLETED
    captions = result.get("CaptionsS3Uris")
    if isinstance(captions, dict):
        track.captions, track.transcript = _location(captions.get("vtt")), _location(captions.get("json"))
    chapters = result.get("Chapters")
    track.chapters = chapters if isinstance(chapters, list) else None
    track.chapters_location = _location(result.get("ChaptersS3Uri"))
    return [track]


def _batch_tracks(
    instance: TaskInstanceId,
    xcoms: Mapping[str, Any],
    result: Mapping[str, Any],
    connection: AwsConnection | None,
    manifest: S3Location,
    read_manifest: ReadManifest,
) -> list[Track]:
    items = result.get("Items", xcoms.get("Items"))
    if not isinstance(items, list):
        if connection is None:
            raise NotAvailableError(_NO_CONNECTION)
        items = list(read_manifest(instance, connection, manifest))
    tracks = [_track(instance, item, connection) for item in items if isinstance(item, dict)]
    if not tracks and (error := _text(xcoms.get(ERROR_MESSAGE_KEY))):
        tracks = [Track(instance, status=TaskStatus.FAILED, reason=error)]
    return tracks


def _track(instance: TaskInstanceId, values: Mapping[str, Any], connection: AwsConnection | None) -> Track:
    item = values.get("Id")
    status, reason = _text(values.get("TaskStatus")) or "", _text(values.get("TaskStatusReason"))
    if item is not None and status == TaskStatus.COMPLETED and reason is not None:
        status = TaskStatus.FAILED  # the audio of the item was made, but could not be delivered
    return Track(
        instance,
        item=str(item) if isinstance(item, str | int) else None,
        status=status,
        unchanged=values.get("Unchanged") is True,
        reason=reason or _text(values.get(NOT_PLAYED)),
        facts={
            **{name: text for key, name in _TEXTS.items() if (text := _text(values.get(key))) is not None},
            **{name: values[key] for key, name in _NUMBERS.items() if is_number(values.get(key))},
        },
        connection=connection,
        location=_location(values.get("OutputS3Uri")),
    )


def merged(tracks: Iterable[Track]) -> list[Track]:
    """Return tracks without those that show the same synthesis task again.

    A sensor that waits for a synthesis task reports the same audio as the task that started it.

    :param tracks: the tracks of a run, in order
    """
    kept: list[Track] = []
    places: dict[tuple[object, bool], int] = {}
    for track in tracks:
        task_id = track.facts.get("synthesis_task_id")
        place = None if task_id is None else places.setdefault((task_id, track.unchanged), len(kept))
        if place is None or place == len(kept) or not _shows_the_same(kept[place], track):
            kept.append(track)
        elif track.status in TERMINAL_STATUSES and kept[place].status not in TERMINAL_STATUSES:
            kept[place] = track
    return kept


def _shows_the_same(one: Track, other: Track) -> bool:
    """Return whether two tracks of a synthesis task can be shown as one."""
    if one.item is not None and other.item is not None:
        return False
    # For example, the audio is complete, but the task that waited for it has failed.
    return one.status == other.status or not {one.status, other.status} <= TERMINAL_STATUSES


def playlist(tracks: Sequence[Track], messages: Iterable[str] = ()) -> dict[str, Any]:
    """Return the list that the page receives: its tracks, totals and messages.

    :param tracks: the tracks in order
    :param messages: sentences to show
    """
    said = list(messages)
    if len(tracks) > MAX_TRACKS:
        said.append(f"This page lists the first {MAX_TRACKS:,} of {len(tracks):,} tracks.")
    return {
        "tracks": [track.to_json() for track in tracks[:MAX_TRACKS]],
        "totals": {
            "tracks": len(tracks),
            "completed": sum(track.status == TaskStatus.COMPLETED for track in tracks),
            "failed": sum(track.status == TaskStatus.FAILED for track in tracks),
            "unchanged": sum(track.unchanged for track in tracks),
            "seconds": _sum(tracks, "seconds"),
            "characters": _sum(tracks, "characters") or 0,
            "cost": _sum(tracks, "cost"),
        },
        "messages": said,
    }


def _sum(tracks: Iterable[Track], fact: str) -> float | None:
    numbers = [track.facts[fact] for track in tracks if fact in track.facts]
    return round(sum(numbers), 6) if numbers else None


def _location(uri: Any) -> S3Location | None:
    """Return the location of an ``s3://`` URI; None if the value is something else."""
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        return None
    try:
        uri.encode()  # boto3 fails if the key has no form in UTF-8
        return parse_output_uri(uri)
    except ValueError:
        return None


def is_number(value: Any) -> bool:
    """Return whether a value is a number that the page can show.

    :param value: a value of an XCom or of a file
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= _MAX_NUMBER


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _scalars(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if isinstance(value, str | int | float)}
