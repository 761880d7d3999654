"""Finishes completed items: copies their objects to ``output_s3_key`` and reads the duration of their audio.

Each item needs several S3 requests, so items are finished in the threads of a pool. Only the main thread
changes their records.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.output.object_duration import DurationReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from types import TracebackType

    from airflow_polly_provider.batch.manifest import ItemRecord
    from airflow_polly_provider.output.placement import OutputPlacement
    from airflow_polly_provider.output.s3_access import S3Access

log = logging.getLogger(__name__)

THREADS = 8
"""Number of items that are finished at the same time."""


class Finisher:
    """Finishes completed items, and writes the result into their records.

    Use it as a context manager: it ends the threads.

    :param placement_of: returns the placement of a record's object; None if the record has no
        ``output_s3_key``
    :param s3: the access to S3 that the placements use
    :param s3_parameters: the parameters of S3Hook, for reading durations
    """

    def __init__(
        self,
        placement_of: Callable[[ItemRecord], OutputPlacement | None],
        s3: S3Access,
        s3_parameters: Mapping[str, Any],
    ) -> None:
        self._placement_of = placement_of
        self._s3 = s3
        self._durations = DurationReader(s3_parameters, max_pool_connections=THREADS)
        self._prepare()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="polly-finish")
        self._under_way: dict[Future[Mapping[str, Any]], ItemRecord] = {}
        self._done: SimpleQueue[Future[Mapping[str, Any]]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if kind is not None:
            # Record what was copied before the error, so that the next try does not repeat it.
            self.collect()

    @property
    def is_busy(self) -> bool:
        """Whether items are being finished."""
        return bool(self._under_way)

    def _prepare(self) -> None:
        # Only the main thread can look up the connection again after an error.
        self._s3.prepare()
        self._durations.prepare()

    def submit(
        self,
        record: ItemRecord,
        synthesis_task: Mapping[str, Any],
        *,
        is_in_place: bool = False,
        size: int | None = None,
    ) -> None:
        """Begin to finish an item.

        :param record: the record of a completed item that is not finished
        :param synthesis_task: its completed SynthesisTask, as Polly returns it
        :param is_in_place: whether the object is already at ``output_s3_key``
        :param size: the object's size in bytes, if it is known
        """
        self._prepare()
        placement = None if is_in_place else self._placement_of(record)
        future = self._pool.submit(self._finish, placement, synthesis_task, size)
        self._under_way[future] = record
        future.add_done_callback(self._done.put)

    def collect(self, seconds: float = 0.0) -> None:
        """Write the results that exist into their records.

        :param seconds: how long to wait for the next result
        """
        while self._under_way:
            try:
                future = self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
            except Empty:
                return
            seconds = 0.0
            record = self._under_way.pop(future)
            if not future.cancelled():
                self._note(record, future)

    def _note(self, record: ItemRecord, future: Future[Mapping[str, Any]]) -> None:
        try:
            synthesis_task = future.result()
        except Exception as error:  # noqa: BLE001  # an error of one object must not end the whole batch
            record.set_reason(error)
            log.warning("Item %s was synthesized, but not delivered: %s", record.id, error)
            return
        record.output_uri = synthesis_task.get("OutputUri")
        record.seconds = synthesis_task.get("DurationSeconds")
        record.reason = None
        record.finished = True

    def _finish(
        self, placement: OutputPlacement | None, synthesis_task: Mapping[str, Any], size: int | None
    ) -> Mapping[str, Any]:
        if placement is not None:
            synthesis_task = placement.put(synthesis_task)
        return self._durations.with_duration(synthesis_task, size=size)


def is_ready_to_finish(record: ItemRecord) -> bool:
    """Return whether an item's synthesis task has completed, but its object is not at its final place yet.

    :param record: the item's record
    """
    return record.status == TaskStatus.COMPLETED and not record.finished


def completed_task(record: ItemRecord, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the completed SynthesisTask of an item, without a request to Polly.

    Polly forgets a synthesis task after 72 hours, but its object may still have to be delivered.

    :param record: the item's record
    :param request: the item's request; empty if it is not known. Then the duration is not read
    """
    known = {name: request[name] for name in ("OutputFormat", "SampleRate") if name in request}
    return {
        **known,
        "TaskId": record.task_id,
        "TaskStatus": TaskStatus.COMPLETED.value,
        "OutputUri": record.output_uri,
        "RequestCharacters": record.request_characters,
    }
