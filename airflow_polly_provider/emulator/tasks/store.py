"""Synthesis tasks: their status over time, and the store that keeps them for 72 hours."""

from __future__ import annotations

import base64
import binascii
import bisect
import heapq
import itertools
import json
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.base.clock import Clock

SCHEDULED, IN_PROGRESS, COMPLETED, FAILED = "scheduled", "inProgress", "completed", "failed"
# https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html: Polly returns a synthesis task for 72 hours.
MEMORY_SECONDS = 72 * 3600
_BULK = 500

Key = tuple[float, int]


class SynthesisTask:
    """One synthesis task.

    :param task_id: Polly's TaskId.
    :param key: its position in the order of creation: the creation time, then a sequence number.
    :param details: the members of Polly's SynthesisTask that never change.
    """

    __slots__ = ("_json", "details", "due", "key", "outcome", "reason", "status", "task_id", "visible_at")

    def __init__(self, task_id: str, key: Key, details: dict[str, Any]) -> None:
        self.task_id = task_id
        self.key = key
        self.details = details
        self.status = SCHEDULED
        self.reason: str | None = None
        self.outcome: str | None = None
        self.due = False
        self.visible_at = key[0]
        self._json: bytes | None = None

    def set_status(self, status: str) -> None:
        """Set the status.

        :param status: one of Polly's TaskStatus values.
        """
        self.status = status
        self._json = None

    def as_dict(self) -> dict[str, Any]:
        """Return the synthesis task as Polly's SynthesisTask, with times in epoch seconds."""
        document = {"TaskId": self.task_id, "TaskStatus": self.status, **self.details}
        if self.status == FAILED and self.reason:
            document["TaskStatusReason"] = self.reason
        document["CreationTime"] = round(self.key[0], 3)
        return document

    def as_json(self) -> bytes:
        """Return Polly's SynthesisTask as JSON. The result is cached until the status changes."""
        if self._json is None:
            self._json = json.dumps(self.as_dict()).encode()
        return self._json


class TaskStore:
    """The synthesis tasks of one region. The clock determines when their status changes.

    Not thread-safe: use it only on the server's event loop.

    :param clock: the source of the time.
    :param on_end: a function that is called for each synthesis task that ends.
    :param on_forget: a function that is called for each synthesis task that is deleted after 72 hours.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        on_end: Callable[[SynthesisTask], None] | None = None,
        on_forget: Callable[[SynthesisTask], None] | None = None,
    ) -> None:
        self._clock = clock
        self._on_end = on_end
        self._on_forget = on_forget
        self._tasks: dict[str, SynthesisTask] = {}
        self._by_key: dict[Key, SynthesisTask] = {}
        self._order: list[Key] = []
        self._order_by_status: dict[str, list[Key]] = {
            status: [] for status in (SCHEDULED, IN_PROGRESS, COMPLETED, FAILED)
        }
        self._events: list[tuple[float, int, str, str]] = []
        self._numbers = itertools.count()
        self._in_bulk = False

    def __len__(self) -> int:
        return len(self._tasks)

    def new_key(self, created: float | None = None) -> Key:
        """Return a new position in the order of creation.

        :param created: the creation time in epoch seconds; None for now.
        """
        return (self._clock.time() if created is None else created, next(self._numbers))

    def add(
        self,
        task: SynthesisTask,
        *,
        starts_at: float | None = None,
        ends_at: float | None = None,
        visible_at: float | None = None,
    ) -> None:
        """Add a synthesis task. All times are epoch seconds.

        :param task: the synthesis task, with its current status.
        :param starts_at: the time at which the task becomes ``inProgress``; None to keep it ``scheduled``
            until ``ends_at``.
        :param ends_at: the earliest time at which the task ends; it ends later if its outcome is not known
            then. None for never.
        :param visible_at: the time from which lists show the task; None for immediately.
        """
        self._tasks[task.task_id] = task
        self._by_key[task.key] = task
        bisect.insort(self._order, task.key)
        bisect.insort(self._order_by_status[task.status], task.key)
        if visible_at is not None:
            task.visible_at = visible_at
        if starts_at is not None and task.status == SCHEDULED:
            heapq.heappush(self._events, (starts_at, task.key[1], "start", task.task_id))
        if ends_at is not None and task.status in (SCHEDULED, IN_PROGRESS):
            heapq.heappush(self._events, (ends_at, task.key[1], "start then end", task.task_id))

    def report(self, task: SynthesisTask, outcome: str, reason: str | None = None) -> None:
        """Set the outcome of a synthesis task. It ends at its ``ends_at``, or now if that time has passed.

        :param task: the synthesis task.
        :param outcome: ``completed`` or ``failed``.
        :param reason: the reason for a failure.
        """
        if task.status in (COMPLETED, FAILED):
            return
        task.outcome, task.reason = outcome, reason
        if task.due:
            self._end(task)

    def next_event_at(self) -> float | None:
        """Return the time of the next scheduled status change in epoch seconds; None if there is none."""
        return self._events[0][0] if self._events else None

    def advance(self) -> None:
        """Apply all status changes that are due, and delete synthesis tasks older than 72 hours."""
        now = self._clock.time()
        if self._events and self._events[0][0] <= now:
            self._apply_events(now)
        if self._order and self._order[0][0] < now - MEMORY_SECONDS:
            self._forget_before(now - MEMORY_SECONDS)

    def _apply_events(self, now: float) -> None:
        due: list[tuple[float, int, str, str]] = []
        while self._events and self._events[0][0] <= now:
            due.append(heapq.heappop(self._events))
        # A move between the status lists takes longer if the lists are longer. For many moves, it is faster
        # to rebuild the lists once.
        self._in_bulk = len(due) > _BULK
        for _, _, event, task_id in due:
            task = self._tasks.get(task_id)
            if task is not None:
                self._apply_event(task, ends=event == "start then end")
        if self._in_bulk:
            self._in_bulk = False
            for order in self._order_by_status.values():
                order.clear()
            for key in self._order:
                self._order_by_status[self._by_key[key].status].append(key)

    def _apply_event(self, task: SynthesisTask, *, ends: bool) -> None:
        if task.status == SCHEDULED:
            self._move(task, IN_PROGRESS)
        if ends and task.status == IN_PROGRESS:
            task.due = True
            if task.outcome:
                self._end(task)

    def get(self, task_id: str) -> SynthesisTask:
        """Return a synthesis task.

        :param task_id: Polly's TaskId.
        :raises ApiError: ``SynthesisTaskNotFoundException`` if the task does not exist, or is older than 72
            hours.
        """
        self.advance()
        task = self._tasks.get(task_id)
        if task is None:
            raise ApiError("SynthesisTaskNotFoundException", f"There is no synthesis task {task_id}")
        return task

    def page(
        self, *, status: str | None, limit: int, token: str | None, newest_first: bool
    ) -> tuple[list[SynthesisTask], str | None]:
        """Return a page of synthesis tasks in the order of creation.

        :param status: the status of the synthesis tasks to return; None for all.
        :param limit: the maximum number of synthesis tasks.
        :param token: the token from the previous page; None for the first page.
        :param newest_first: whether the newest synthesis task comes first.
        :return: the synthesis tasks, and the token for the next page, or None if there is no next page.
        :raises ApiError: ``InvalidNextTokenException`` if the token is not valid.
        """
        self.advance()
        now = self._clock.time()
        order = self._order if status is None else self._order_by_status.get(status, [])
        if newest_first:
            position = len(order) if token is None else bisect.bisect_left(order, _key_from(token))
            indexes = range(position - 1, -1, -1)
        else:
            position = 0 if token is None else bisect.bisect_right(order, _key_from(token))
            indexes = range(position, len(order))
        found: list[SynthesisTask] = []
        for index in indexes:
            task = self._by_key[order[index]]
            if task.visible_at > now:
                continue
            if len(found) == limit:
                return found, _token_from(found[-1].key)
            found.append(task)
        return found, None

    def _end(self, task: SynthesisTask) -> None:
        self._move(task, task.outcome or COMPLETED)
        if self._on_end:
            self._on_end(task)

    def _move(self, task: SynthesisTask, status: str) -> None:
        if not self._in_bulk:
            _remove(self._order_by_status[task.status], task.key)
            bisect.insort(self._order_by_status[status], task.key)
        task.set_status(status)

    def _forget_before(self, moment: float) -> None:
        forgotten = self._order[: bisect.bisect_left(self._order, (moment, -1))]
        for order in (self._order, *self._order_by_status.values()):
            del order[: bisect.bisect_left(order, (moment, -1))]
        for key in forgotten:
            task = self._by_key.pop(key)
            del self._tasks[task.task_id]
            if self._on_forget:
                self._on_forget(task)


def _remove(keys: list[Key], key: Key) -> None:
    del keys[bisect.bisect_left(keys, key)]


def _token_from(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _key_from(token: str) -> Key:
    try:
        created, number = json.loads(base64.urlsafe_b64decode(token.encode()))
        return float(created), int(number)
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as error:
        raise ApiError("InvalidNextTokenException", "The NextToken is invalid") from error
