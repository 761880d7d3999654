"""Finishes completed items: copies their objects to ``output_s3_key`` and reads the duration of their audio.

Each item needs several S3 requests, so items are finished in the threads of a pool. Only the main thread
changes their records.
"""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self

from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyError
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if kind is not None:
            # Record what was copied before the error, so that the next try does not repeat it.
            self._note({future for future in self._under_way if not future.cancelled()})

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
        self._under_way[self._pool.submit(self._finish, placement, synthesis_task, size)] = record

    def collect(self, seconds: float = 0.0) -> None:
        """Write the results that exist into their records.

        :param seconds: how long to wait for the next result
        """
        if self._under_way:
            done, _ = wait(self._under_way, timeout=seconds, return_when=FIRST_COMPLETED)
            self._note(done)

    def _note(self, done: set[Future[Mapping[str, Any]]]) -> None:
        for future in done:
            record = self._under_way.pop(future)
            try:
                synthesis_task = future.result()
            except PollyError as error:
                record.reason = str(error)[:500]
                log.warning("Item %s was synthesized, but not delivered: %s", record.id, error)
                continue
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
