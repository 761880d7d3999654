"""An account, and a poller that waits for some of its synthesis tasks, on a clock that skips idle time."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import selectors
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.triggers import metrics, poller, requests
from airflow_polly_provider.triggers.hook_settings import HookSettings
from airflow_polly_provider.triggers.poller import StatusPoller, Trouble
from airflow_polly_provider.triggers.rate import AdaptiveRate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_polly_provider.waiting import Schedule

_PAGE = 100
_ANSWER_SECONDS = 0.05
REQUESTS_PER_SECOND = 5.0
_START_OF_TIME = datetime(2025, 1, 1, tzinfo=UTC)


class SkippingSelector(selectors.DefaultSelector):
    """Lets time pass at once instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for something that never comes"
        self.now += max(0.0, timeout)
        return super().select(0)


class SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


@dataclass
class Account:
    """The synthesis tasks of an account, oldest first: `ours` and `foreign` end at these seconds.

    Ours were created last where `ours_last`, else first.
    """

    ours: list[float]
    foreign: list[float] = field(default_factory=list)
    newest_first: bool = False
    ours_last: bool = True

    def __post_init__(self) -> None:
        names = [f"ours-{number}" for number in range(len(self.ours))]
        others = [f"foreign-{number}" for number in range(len(self.foreign))]
        order = others + names if self.ours_last else names + others
        self.ends = dict(zip(names, self.ours, strict=True)) | dict(zip(others, self.foreign, strict=True))
        self._rank = {task_id: rank for rank, task_id in enumerate(order)}
        self._order = order[::-1] if self.newest_first else order

    def task(self, task_id: str, now: float) -> dict[str, Any]:
        return {
            "TaskId": task_id,
            "TaskStatus": "completed" if self.ends[task_id] <= now else "inProgress",
            "CreationTime": _START_OF_TIME + timedelta(seconds=self._rank[task_id]),
        }

    def _lists(self, task_id: str, status: str, now: float) -> bool:
        return status == ("completed" if self.ends[task_id] <= now else "inProgress")

    def pages(self, status: str, now: float) -> int:
        listed = sum(self._lists(task_id, status, now) for task_id in self._order)
        return max(1, math.ceil(listed / _PAGE))

    def page(self, status: str, now: float, place: int) -> tuple[list[dict[str, Any]], int | None]:
        """The page that begins at a place in the order, which stays where it is when a task ends."""
        found: list[dict[str, Any]] = []
        for index in range(place, len(self._order)):
            if self._lists(self._order[index], status, now):
                if len(found) == _PAGE:
                    return found, index
                found.append(self.task(self._order[index], now))
        return found, None


class FakeHook:
    """Answers for an account, and counts."""

    def __init__(self, account: Account, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self.requests = 0

    def get_speech_synthesis_task(self, task_id: str) -> dict[str, Any]:
        self.requests += 1
        return self._account.task(task_id, self._clock())

    def list_speech_synthesis_tasks_page(
        self, *, status: str, next_token: str | None = None
    ) -> dict[str, Any]:
        self.requests += 1
        page, more = self._account.page(status, self._clock(), int(next_token or 0))
        return {"SynthesisTasks": page, **({} if more is None else {"NextToken": str(more)})}


@dataclass
class Outcome:
    requests: int
    delays: list[float]


def poll(account: Account, schedule: Schedule) -> Outcome:
    """Wait for all of ours with the poller."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner, pytest.MonkeyPatch.context() as patch:
        clock = runner.get_loop().time
        hook = FakeHook(account, clock)

        async def in_no_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(_ANSWER_SECONDS)
            return function(*args, **kwargs)

        patch.setattr(poller, "time", SimpleNamespace(monotonic=clock))
        patch.setattr(asyncio, "to_thread", in_no_thread)
        patch.setattr(requests, "AdaptiveRate", partial(AdaptiveRate, clock=clock))
        patch.setattr(requests, "status_requests_per_second", lambda: REQUESTS_PER_SECOND)
        patch.setattr(HookSettings, "make_hook", lambda _: hook)
        patch.setattr(metrics, "detected", lambda _: None)
        return runner.run(_wait_for_all(account, schedule, hook, clock))


async def _wait_for_all(
    account: Account, schedule: Schedule, hook: FakeHook, clock: Callable[[], float]
) -> Outcome:
    status_poller = StatusPoller(HookSettings())
    delays: list[float] = []

    async def one(task_id: str) -> None:
        async with contextlib.aclosing(status_poller.observe(task_id, schedule)) as news:
            async for item in news:
                assert not isinstance(item, Trouble)
        delays.append(clock() - max(0.0, account.ends[task_id]))

    waits: list[Awaitable[None]] = [one(f"ours-{number}") for number in range(len(account.ours))]
    await asyncio.gather(*waits)
    return Outcome(hook.requests, sorted(delays))


def by_get(account: Account, schedule: Schedule) -> Outcome:
    """Ask for each of ours when it is due, and nothing else, at the same rate."""
    due = [(0.0, end) for end in account.ours]
    now, count, delays = 0.0, 0, []
    while due:
        when, end = heapq.heappop(due)
        now, count = max(now, when) + 1 / REQUESTS_PER_SECOND, count + 1
        if end <= now:
            delays.append(now - max(0.0, end))
        else:
            heapq.heappush(due, (now + schedule.next_check_in(now), end))
    return Outcome(count, sorted(delays))


def by_list(account: Account, schedule: Schedule) -> Outcome:
    """Read the lists of what is finished whenever ours are due, and nothing else, at the same rate."""
    waiting = sorted(account.ours)
    now, count, delays = 0.0, 0, []
    while waiting:
        began = now
        pages = account.pages("completed", now) + account.pages("failed", now)
        now, count = now + pages / REQUESTS_PER_SECOND, count + pages
        seen = bisect_right(waiting, began)
        delays += [now - max(0.0, end) for end in waiting[:seen]]
        waiting = waiting[seen:]
        now = max(now, began + schedule.next_check_in(began))
    return Outcome(count, sorted(delays))
