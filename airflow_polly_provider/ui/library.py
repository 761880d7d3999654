"""Finds the tracks of a task or a run. The browser names them by ids; buckets and keys come from XComs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.batch.report import item_of
from airflow_polly_provider.exceptions import PollyCredentialsError, PollyError
from airflow_polly_provider.request.pricing import engine_prices
from airflow_polly_provider.results.delivery import ERROR_MESSAGE_KEY
from airflow_polly_provider.ui.tracks import (
    MAX_TRACKS,
    NOT_PLAYED,
    NotAvailableError,
    merged,
    playlist,
    tracks_of,
)
from airflow_polly_provider.ui.xcoms import MAX_TASKS, read_xcoms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.manifest import ItemRecord, Manifest
    from airflow_polly_provider.ui.s3_clients import AwsConnection, S3Clients
    from airflow_polly_provider.ui.tracks import ReadManifest, Track
    from airflow_polly_provider.ui.xcoms import TaskInstanceId, TaskXComs

_KEPT_SECONDS = 60
_MAX_MANIFESTS = 8
_UNREADABLE = (
    "The API server cannot read all XComs of this task with the configured XCom back-end. Its log has the "
    "error. Allow its identity to read them."
)
_NOTHING = (
    "This task has no audio of Amazon Polly in S3. If it is a Polly task that is still running, reload this "
    "page after it has ended."
)
_NOTHING_IN_RUN = (
    "No task of this run has audio of Amazon Polly in S3 yet. Reload this page after a Polly task has ended."
)


class Library:
    """The tracks of all tasks, found by the ids that a browser names.

    :param clients: the S3 clients, for manifests
    """

    def __init__(self, clients: S3Clients) -> None:
        self._manifests = _Manifests(clients)

    def task_playlist(self, dag_id: str, run_id: str, instance: TaskInstanceId) -> dict[str, Any]:
        """Return the playlist of a task instance.

        :param dag_id: id of the DAG
        :param run_id: id of the run
        :param instance: the task instance
        """
        found, _ = read_xcoms(dag_id, run_id, instance)
        if instance not in found:
            return playlist([], [_NOTHING])
        try:
            tracks = tracks_of(instance, found[instance].values, self._reader(dag_id, run_id))
        except NotAvailableError as error:
            return playlist([], [str(error)])
        messages = _messages(found[instance], tracks)
        return playlist(tracks, messages if tracks or messages else [_NOTHING])

    def run_playlist(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the playlist of a run: the tracks of all its tasks, in the order in which they began.

        :param dag_id: id of the DAG
        :param run_id: id of the run
        """
        found, is_cut = read_xcoms(dag_id, run_id)
        tracks: list[Track] = []
        messages = []
        first: dict[str, Any] = {}
        for instance, xcoms in found.items():
            first.setdefault(instance.task_id, xcoms.first_pushed)
        for instance in sorted(found, key=lambda each: (first[each.task_id], each)):
            if len(tracks) >= MAX_TRACKS:
                messages.append(f"This page lists the first {len(tracks):,} tracks of the run.")
                break
            try:
                added = tracks_of(instance, found[instance].values, self._reader(dag_id, run_id))
                tracks += added
                messages += [
                    f"{instance.task_id}{_index(instance)}: {sentence}"
                    for sentence in _messages(found[instance], added)
                ]
            except NotAvailableError as error:
                messages.append(f"{instance.task_id}{_index(instance)}: {error}")
        tracks = merged(tracks)
        if is_cut:
            messages.append(
                f"This run has more than {MAX_TASKS:,} Polly tasks. The page lists the first ones."
            )
        if not tracks and not messages:
            messages.append(_NOTHING_IN_RUN)
        return playlist(tracks, messages)

    def track(self, dag_id: str, run_id: str, instance: TaskInstanceId, item: str | None) -> Track:
        """Return one track.

        :param dag_id: id of the DAG
        :param run_id: id of the run
        :param instance: the task instance
        :param item: id of an item of the batch; None for a task that is not a batch
        :raises NotAvailableError: there is no such track
        """
        for track in self._task_tracks(dag_id, run_id, instance):
            if track.item == item:
                return track
        raise NotAvailableError("There is no such track. Reload the page.")

    def _task_tracks(self, dag_id: str, run_id: str, instance: TaskInstanceId) -> list[Track]:
        found, _ = read_xcoms(dag_id, run_id, instance)
        if instance not in found:
            return []
        return tracks_of(instance, found[instance].values, self._reader(dag_id, run_id))

    def _reader(self, dag_id: str, run_id: str) -> ReadManifest:
        def read(
            instance: TaskInstanceId, connection: AwsConnection, location: S3Location
        ) -> Sequence[Mapping[str, Any]]:
            return self._manifests.items((dag_id, run_id, *instance), connection, location)

        return read


def _messages(xcoms: TaskXComs, tracks: Sequence[Track]) -> list[str]:
    """Return what is to be said about a task in addition to its tracks."""
    said = []
    if xcoms.is_unreadable:
        said.append(_UNREADABLE)
    error = xcoms.values.get(ERROR_MESSAGE_KEY)
    # The error of a batch, whose items have reasons of their own.
    if isinstance(error, str) and error and all(track.reason != error for track in tracks):
        said.append(error.splitlines()[0])
    return said


def _index(instance: TaskInstanceId) -> str:
    return f" [{instance.map_index}]" if instance.map_index >= 0 else ""


class _Manifests:
    """Reads the manifests of batches, and keeps the last ones for a minute: a player sends many requests."""

    def __init__(self, clients: S3Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._kept: dict[object, tuple[float, Sequence[Mapping[str, Any]]]] = {}

    def items(
        self, owner: tuple[str, str, str, int], connection: AwsConnection, location: S3Location
    ) -> Sequence[Mapping[str, Any]]:
        """Return the items in a manifest, in the form of ``Items`` of a batch's result.

        :param owner: the DAG, run, task and map index that the manifest must be of
        :param connection: how the task reached AWS
        :param location: the manifest
        :raises NotAvailableError: the manifest cannot be read, or belongs to another task
        """
        key = (owner, connection, location)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        items = self._read(owner, connection, location)
        with self._lock:
            self._kept.pop(key, None)
            while len(self._kept) >= _MAX_MANIFESTS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (time.monotonic(), items)
        return items

    def _load(self, connection: AwsConnection, location: S3Location) -> Manifest | None:
        """Return the manifest. If the credentials have expired, try once more with a new client."""
        client = self._clients.client(connection)
        try:
            return ManifestStore(lambda: client, location).load()
        except PollyCredentialsError:
            self._clients.forget(connection)
        client = self._clients.client(connection)
        return ManifestStore(lambda: client, location).load()

    def _read(
        self, owner: tuple[str, str, str, int], connection: AwsConnection, location: S3Location
    ) -> list[Mapping[str, Any]]:
        try:
            manifest = self._load(connection, location)
        except (PollyError, ClientError, BotoCoreError) as error:
            raise NotAvailableError(f"The manifest of the batch cannot be read. {error}") from error
        if manifest is None:
            raise NotAvailableError(f"The manifest of the batch does not exist: {location.uri}.")
        if tuple(manifest.run[:4]) != owner:
            raise NotAvailableError(
                f"The manifest {location.uri} belongs to another run: dag_id {manifest.run.dag_id!r:.100}, "
                f"run_id {manifest.run.run_id!r:.100}. A later run may have replaced it."
            )
        prices = engine_prices()
        return [_item(record, location, prices) for record in manifest.records]


def _item(record: ItemRecord, manifest: S3Location, prices: Mapping[str, float]) -> Mapping[str, Any]:
    item = item_of(record, prices)
    uri = item.get("OutputS3Uri")
    if uri is not None and parse_output_uri(uri).bucket != manifest.bucket:
        # Whoever can write to the manifest's bucket could otherwise make the API server read other buckets.
        del item["OutputS3Uri"]
        item[NOT_PLAYED] = (
            f"The audio is in another bucket than the manifest, so it is not played here: {uri}."
        )
    return item
