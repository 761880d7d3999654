"""Watches a batch in the worker: reads statuses, finishes completed items, and saves the manifest."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.batch.existing import record_reused
from airflow_polly_provider.batch.finishing import is_ready_to_finish
from airflow_polly_provider.batch.statuses import StatusReader
from airflow_polly_provider.exceptions import PollyCredentialsError
from airflow_polly_provider.settings import start_look_seconds, status_requests_per_second
from airflow_polly_provider.start.current_run import CLOCK_MARGIN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from types import TracebackType

    from airflow_polly_provider.batch.finishing import Finisher
    from airflow_polly_provider.batch.manifest import ItemRecord, Manifest
    from airflow_polly_provider.batch.manifest_store import ManifestStore
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.placement import Reusable
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)

SAVE_AFTER_STARTS = 500
_SAVE_AFTER_SECONDS = 60.0
_SHORTEST_SAVE_SECONDS = 2.0
_CHECK_AFTER_SECONDS = 10.0
_TICK_SECONDS = 0.5
_CHECK_SHARE = 10.0


def save_interval_seconds() -> float:
    """Return the longest time between two writes of the manifest while items are started, in seconds.

    A try that Airflow has replaced learns it from its next write. So a new try that waits this long knows
    that no earlier try still starts items.
    """
    return min(_SAVE_AFTER_SECONDS, max(_SHORTEST_SAVE_SECONDS, start_look_seconds()))


class Monitor:
    """Reads the statuses of running items, finishes completed ones, and saves the manifest at intervals.

    Use it as a context manager: it ends its thread.

    :param hook: the hook that sends the status requests
    :param manifest: the state of the batch; only the main thread changes it
    :param store: saves the manifest
    :param finisher: finishes completed items
    :param s3: the access to S3 that the store uses
    """

    def __init__(
        self,
        hook: PollyHook,
        manifest: Manifest,
        store: ManifestStore,
        finisher: Finisher,
        s3: S3Access,
    ) -> None:
        reader = partial(
            StatusReader,
            hook,
            not_before=datetime.fromisoformat(manifest.created) - CLOCK_MARGIN,
            requests_per_second=status_requests_per_second(),
        )
        self._statuses = reader()
        # It runs in a thread, and only the main thread can look up the connection again.
        self._background = reader(renews=False)
        self._manifest = manifest
        self._store = store
        self._finisher = finisher
        self._s3 = s3
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="polly-statuses")
        self._reading: Future[Mapping[str, Any]] | None = None
        self._read_began = self._next_read_at = time.monotonic() + _CHECK_AFTER_SECONDS
        self._saved_at = time.monotonic()
        self._started_when_saved = self._started
        self._next_tick_at = 0.0
        self._finishing: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_checking()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def _started(self) -> int:
        return sum(record.task_id is not None for record in self._manifest.records)

    @property
    def _unended(self) -> dict[str, ItemRecord]:
        """The items whose synthesis task has not ended, as far as is known, by TaskId."""
        return {
            record.task_id: record
            for record in self._manifest.records
            if record.task_id is not None and record.status not in TERMINAL_STATUSES
        }

    def save(self) -> None:
        """Save the manifest.

        :raises PollyError: another try of this task has taken over
        """
        try:
            self._store.save(self._manifest)
        except PollyCredentialsError:
            # Temporary credentials can expire while thousands of items are started.
            self._s3.renew()
            self._s3.prepare()
            self._store.save(self._manifest)
        self._saved_at = time.monotonic()
        self._started_when_saved = self._started

    def tick(self) -> None:
        """Do what is due while items are started: read statuses, finish items, save the manifest.

        :raises PollyError: another try of this task has taken over
        """
        now = time.monotonic()
        if now < self._next_tick_at:
            return
        self._next_tick_at = now + _TICK_SECONDS
        self._finisher.collect()
        self._check_statuses()
        is_old = now - self._saved_at >= save_interval_seconds()
        if is_old or self._started - self._started_when_saved >= SAVE_AFTER_STARTS:
            self.save()

    def _check_statuses(self) -> None:
        if self._reading is None:
            if time.monotonic() >= self._next_read_at and (running := self._unended):
                self._read_began = time.monotonic()
                self._reading = self._pool.submit(self._background.read_finished, list(running))
            return
        if not self._reading.done():
            return
        took = time.monotonic() - self._read_began
        self._next_read_at = time.monotonic() + max(_CHECK_AFTER_SECONDS, _CHECK_SHARE * took)
        reading, self._reading = self._reading, None
        try:
            self.note(reading.result())
        except Exception as error:  # noqa: BLE001  # the start goes on; the wait reads the statuses again
            log.warning("Cannot check the running items now: %s", error)

    def read_now(self) -> None:
        """Read the status of each running item, and begin to finish the completed ones."""
        if not (running := self._unended):
            return
        found = self._statuses.read(list(running))
        self.note(found)
        for task_id in running.keys() - found.keys():
            running[task_id].status = TaskStatus.FAILED.value
            running[task_id].reason = f"Polly no longer knows synthesis task {task_id}"

    def note(self, synthesis_tasks: Mapping[str, Any]) -> None:
        """Write statuses into the records, and begin to finish items that have completed.

        :param synthesis_tasks: SynthesisTasks by TaskId
        """
        unended = self._unended
        for task_id, synthesis_task in synthesis_tasks.items():
            if (record := unended.get(task_id)) is None:
                continue
            note_status(record, synthesis_task)
            if is_ready_to_finish(record):
                self.finish(record, synthesis_task)

    def finish(self, record: ItemRecord, synthesis_task: Mapping[str, Any]) -> None:
        """Begin to finish a completed item, unless this object has already begun.

        :param record: the item's record
        :param synthesis_task: its completed SynthesisTask
        """
        if record.id not in self._finishing:
            self._finishing.add(record.id)
            self._finisher.submit(record, synthesis_task)

    def stop_checking(self) -> None:
        """End the thread that reads statuses while items are started."""
        self._background.stop()

    def note_reused(self, record: ItemRecord, found: Reusable) -> None:
        """Write into a record that the item's object already exists, and read the duration of its audio.

        :param record: the record
        :param found: the existing object
        """
        record_reused(record, found)
        self._finishing.add(record.id)
        self._finisher.submit(record, found.synthesis_task, is_in_place=True, size=found.size)

    @property
    def running(self) -> int:
        """The number of items whose synthesis task has not ended, as far as is known."""
        return len(self._unended)

    def save_if_old(self) -> None:
        """Save the manifest if the last write is a minute old.

        :raises PollyError: another try of this task has taken over
        """
        if time.monotonic() - self._saved_at >= _SAVE_AFTER_SECONDS:
            self.save()

    def finish_all(self) -> None:
        """Wait until all completed items are finished, and save the manifest at intervals.

        :raises PollyError: another try of this task has taken over
        """
        while self._finisher.is_busy:
            self._finisher.collect(1.0)
            self.save_if_old()


def note_status(record: ItemRecord, synthesis_task: Mapping[str, Any]) -> None:
    """Write the status of a synthesis task into the record of its item.

    :param record: the record
    :param synthesis_task: the SynthesisTask
    """
    record.status = str(synthesis_task.get("TaskStatus") or record.status)
    record.output_uri = synthesis_task.get("OutputUri", record.output_uri)
    record.request_characters = synthesis_task.get("RequestCharacters", record.request_characters)
    record.spoken_characters = record.request_characters
    record.engine = synthesis_task.get("Engine", record.engine)
    if record.status == TaskStatus.FAILED:
        record.set_reason(synthesis_task.get("TaskStatusReason") or "Polly gave no reason")
        log.warning("Synthesis task %s of item %s failed: %s", record.task_id, record.id, record.reason)
