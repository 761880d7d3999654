"""A simulated account and a poller that waits for some of its tasks, on a clock that skips idle time."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import selectors
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import validate_parameters

from airflow_polly_provider.wait.poller.client import HookSettings
from airflow_polly_provider.wait.poller.pending import TransientError
from airflow_polly_provider.wait.poller.status_poller import StatusPoller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from botocore.model import OperationModel

    from airflow_polly_provider.wait.schedule import Schedule

_PAGE = 100
_ANSWER_SECONDS = 0.05
REQUESTS_PER_SECOND = 5.0
_START_OF_TIME = datetime(2025, 1, 1, tzinfo=UTC)


class SkippingSelector(selectors.DefaultSelector):
    """A selector that advances the virtual time instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "deadlock: no timer is pending"
        self.now += max(0.0, timeout)
        return super().select(0)


class SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now

    def run_in_executor(  # type: ignore[override]  # only the arguments that the poller passes
        self, executor: Executor | None, function: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a blocking call immediately, because virtual time does not pass while a thread works."""
        self._skipping.now += _ANSWER_SECONDS
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001  # passed to the future, as an executor does
            future.set_exception(error)
        return future


@dataclass
class Account:
    """The synthesis tasks of an account, with the seconds at which they end, oldest first.

    :param ours: the end of each task that the poller waits for
    :param foreign: the end of each other task
    :param newest_first: whether lists start with the newest task
    :param ours_last: whether ``ours`` were created after ``foreign``, otherwise before
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
        """Return the page that begins at a place; the end of a task does not change the places."""
        found: list[dict[str, Any]] = []
        for index in range(place, len(self._order)):
            if self._lists(self._order[index], status, now):
                if len(found) == _PAGE:
                    return found, index
                found.append(self.task(self._order[index], now))
        return found, None


@dataclass
class Outcome:
    requests: int
    delays: list[float]


class Answers:
    """Answers a client's requests for an account, and counts them.

    It replaces botocore's Stubber. Like there, an answer must have the operation's shape; each kind of answer
    is validated once.

    :param account: the simulated account
    :param clock: a function that returns the virtual time in seconds
    """

    def __init__(self, account: Account, clock: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._checked: set[tuple[str, bool]] = set()
        self.requests = 0

    def __call__(
        self, model: OperationModel, params: dict[str, Any], **_: Any
    ) -> tuple[AWSResponse, dict[str, Any]]:
        self.requests += 1
        output: dict[str, Any]
        if model.name == "GetSpeechSynthesisTask":
            task_id = params["url_path"].rpartition("/")[2]
            output = {"SynthesisTask": self._account.task(task_id, self._clock())}
        else:
            query = params["query_string"]
            page, more = self._account.page(query["Status"], self._clock(), int(query.get("NextToken", 0)))
            output = {"SynthesisTasks": page, **({} if more is None else {"NextToken": str(more)})}
        kind = (model.name, "NextToken" in output)
        if kind not in self._checked:
            assert model.output_shape is not None
            validate_parameters(output, model.output_shape)
            self._checked.add(kind)
        metadata = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
        return AWSResponse("", 200, HTTPHeaders(), None), output | metadata


def poll(account: Account, schedule: Schedule) -> Outcome:
    """Wait for all of the account's ``ours`` with the poller and a real client."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner, pytest.MonkeyPatch.context() as patch:
        clock = runner.get_loop().time
        answers = Answers(account, clock)
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-call.polly", answers)]
        patch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
        patch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", str(REQUESTS_PER_SECOND))
        delays = runner.run(_wait_for_all(account, schedule, clock))
        return Outcome(answers.requests, delays)


async def _wait_for_all(account: Account, schedule: Schedule, clock: Callable[[], float]) -> list[float]:
    status_poller = StatusPoller(HookSettings())
    delays: list[float] = []

    async def one(task_id: str) -> None:
        async with contextlib.aclosing(status_poller.observe(task_id, schedule)) as updates:
            async for item in updates:
                assert not isinstance(item, TransientError)
        delays.append(clock() - max(0.0, account.ends[task_id]))

    waits: list[Awaitable[None]] = [one(f"ours-{number}") for number in range(len(account.ours))]
    await asyncio.gather(*waits)
    return sorted(delays)


def by_get(account: Account, schedule: Schedule) -> Outcome:
    """Simulate waiting only with Get: request each of ``ours`` when it is due, at the same rate."""
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
    """Simulate waiting only with List: read lists of ended tasks when ``ours`` are due, at the same rate."""
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
