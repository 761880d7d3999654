"""One status poller for all waits of one connection on one event loop.

Get and List share a quota of 10 requests per second for each account and region. Therefore, the waits do not
send requests themselves. They register here, and one driver sends the requests for all of them at one rate.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.task_list import only_older_follow
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyError,
    PollyFinalError,
    PollyIncompleteAnswerError,
)
from airflow_polly_provider.wait.errors import CHECK_ERRORS, is_worth_a_new_look_up
from airflow_polly_provider.wait.poller import metrics
from airflow_polly_provider.wait.poller.client import StatusClient
from airflow_polly_provider.wait.poller.pending import UnexpectedErrorLog, Wait, is_last
from airflow_polly_provider.wait.poller.strategy import (
    FINISHED,
    UNFINISHED,
    ListCosts,
    PollStrategy,
    cheapest_strategy,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence

    from airflow_polly_provider.aws.task_status import TaskStatus
    from airflow_polly_provider.wait.poller.client import HookSettings
    from airflow_polly_provider.wait.poller.pending import TransientError, Update
    from airflow_polly_provider.wait.schedule import Schedule

log = logging.getLogger(__name__)

_TOGETHER_SECONDS = 0.5
"""Waits that become due within this time are checked together."""

_SEEN_FOR_SECONDS = 10 * 60.0
"""How long a synthesis task is considered known after it was seen.

If a known synthesis task is not in the lists of finished ones, it is unfinished.
"""

_LIST_AGAIN_SECONDS = 60.0
"""How long to wait after a list could not be read, before a list is requested again."""

KEPT_SECONDS = 60.0
"""How long a poller is kept after its last wait, so that the next wait can use its client and its rate."""

_GETS_PER_ROUND = 25
_REPORTED_AT_ONCE = 50
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class StatusPoller:
    """Requests the status for every registered wait, with Get or List, whichever needs fewer requests.

    :param settings: the connection settings of all its waits
    :param on_unused: called after ``KEPT_SECONDS`` without any registered wait
    """

    def __init__(self, settings: HookSettings, on_unused: Callable[[], object] = lambda: None) -> None:
        self._requests = StatusClient(settings)
        self._connection = settings.aws_conn_id
        self._on_unused = on_unused
        self._unused_timer: asyncio.TimerHandle | None = None
        self._costs = ListCosts()
        self._finishing = 0.0
        self._may_list = True
        self._cannot_list = False
        self._list_again_at = 0.0
        self._unexpected = UnexpectedErrorLog()
        self._waits: dict[str, list[Wait]] = {}
        self._woken = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None

    async def observe(
        self, synthesis_task_id: str, schedule: Schedule
    ) -> AsyncGenerator[Mapping[str, Any] | TransientError, None]:
        """Yield the SynthesisTask each time its status changes, until the synthesis task ends.

        If a check fails without ending the wait, yield a TransientError. Several failed checks in a row yield
        only one.

        :param synthesis_task_id: Polly's ``TaskId``
        :param schedule: the intervals between the checks
        :raises PollyError: the wait cannot continue
        """
        async with aclosing(self.observe_many([synthesis_task_id], schedule)) as updates:
            async for _, update in updates:
                if isinstance(update, PollyError):
                    raise update
                yield update

    async def observe_many(
        self, synthesis_task_ids: Iterable[str], schedule: Schedule
    ) -> AsyncGenerator[tuple[str, Update], None]:
        """Yield the id and the SynthesisTask each time a status changes, until all synthesis tasks end.

        If a check fails without ending a wait, yield a TransientError, as ``observe`` does for one wait. If
        an error ends a wait, yield the PollyError. The other waits continue.

        :param synthesis_task_ids: the ``TaskId`` of each synthesis task; duplicates count once
        :param schedule: the intervals between the checks
        """
        now = _now()
        updates: asyncio.Queue[tuple[str, Update]] = asyncio.Queue()
        waits = {
            each: Wait(each, schedule, began=now, due=now, last_running_at=now, updates=updates)
            for each in synthesis_task_ids
        }
        if not waits:
            return
        self._enter(waits.values())
        try:
            while waits:
                synthesis_task_id, update = await updates.get()
                if is_last(update):
                    self._leave([waits.pop(synthesis_task_id)])
                yield synthesis_task_id, update
        finally:
            self._leave(waits.values())

    def _enter(self, waits: Iterable[Wait]) -> None:
        if self._unused_timer is not None:
            self._unused_timer.cancel()
            self._unused_timer = None
        for wait in waits:
            self._waits.setdefault(wait.synthesis_task_id, []).append(wait)
        self._count_waits()
        self._woken.set()
        if self._driver is None:
            # The driver gets its own context. Otherwise all its log lines would go to the task log of the
            # first wait.
            self._driver = asyncio.create_task(self._drive(), context=contextvars.Context())
            self._driver.add_done_callback(self._driver_ended)

    def _leave(self, waits: Collection[Wait]) -> None:
        if not waits:
            return
        for wait in waits:
            wait.over = True
            same_task = self._waits[wait.synthesis_task_id]
            same_task.remove(wait)
            if not same_task:
                del self._waits[wait.synthesis_task_id]
        self._count_waits()
        if not self._waits:
            if self._driver is not None:
                self._driver.cancel()
                self._driver = None
            self._requests.rest()
            self._unused_timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._on_unused)

    def _count_waits(self) -> None:
        metrics.waits(len(self._waits), self._connection)

    def _driver_ended(self, driver: asyncio.Task[None]) -> None:
        if driver.cancelled() or (error := driver.exception()) is None:
            return
        if self._driver is driver:
            self._driver = None
        for wait in self._all():
            wait.end_with(error)

    def _all(self) -> list[Wait]:
        return [wait for same_task in self._waits.values() for wait in same_task if not wait.over]

    async def _drive(self) -> None:
        while True:
            due = await self._next_due()
            try:
                await self._check(due)
            except Exception as error:  # noqa: BLE001  # a defect of this package; all other waits continue
                await self._report_error_to_all(due, error)
                await asyncio.sleep(_TOGETHER_SECONDS)

    async def _next_due(self) -> list[Wait]:
        """Return the waits that are due, the longest overdue first. If none is due, block until one is."""
        while True:
            self._woken.clear()
            waits = self._all()
            now = _now()
            first_due = min((wait.due for wait in waits), default=math.inf)
            if first_due <= now:
                due = [wait for wait in waits if wait.due <= now + _TOGETHER_SECONDS]
                return sorted(due, key=lambda wait: wait.due)
            delay = first_due - now if waits else None
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._woken.wait()

    async def _check(self, due: list[Wait]) -> None:
        strategy, budget = PollStrategy.GET, 0
        if self._may_list and _now() >= self._list_again_at:
            strategy, budget = self._cheapest_strategy(due)
        # Each round sends only a few Gets. After them, more waits may be due, and a list may then need fewer
        # requests.
        to_get = due[:_GETS_PER_ROUND]
        if strategy is not PollStrategy.GET:
            try:
                to_get = await self._list(strategy, due, budget)
            except Exception as error:  # noqa: BLE001  # any error concerns this request only
                if not self._falls_back_to_get(error):
                    await self._report_error_to_all(due, error)
                    return
            else:
                self._cannot_list = False
        for wait in to_get:
            if not wait.over:
                await self._get(wait)

    def _falls_back_to_get(self, error: Exception) -> bool:
        """Pause listing after a list request failed, and return whether Get may still work.

        For example, one record that cannot be read makes the whole page unreadable.
        """
        is_known = isinstance(error, CHECK_ERRORS)
        if is_known and not isinstance(error, PollyFinalError | PollyIncompleteAnswerError):
            return False
        if isinstance(error, PollyConfigurationError) and not is_worth_a_new_look_up(error):
            self._may_list = False
        self._list_again_at = _now() + _LIST_AGAIN_SECONDS
        if not self._cannot_list:
            self._cannot_list = True
            log.warning(
                "Cannot list synthesis tasks. Getting each one separately, which takes more requests: %s",
                error,
                exc_info=None if is_known else error,
            )
        return True

    def _cheapest_strategy(self, due: list[Wait]) -> tuple[PollStrategy, int]:
        """Return the cheapest strategy, and the number of requests after which to abandon it.

        A list also replaces Gets that are not due yet. Each of these counts as a fraction of a request: the
        elapsed share of its interval. Otherwise, waits that become due one after the other would always be
        checked with one Get each.
        """
        now = _now()
        fresh_since = now - _SEEN_FOR_SECONDS
        unknown = sum(wait.seen_at < fresh_since for wait in due)
        spared = sum(wait.share_of_interval_gone(now) for wait in self._all() if wait.seen_at >= fresh_since)
        return cheapest_strategy(known=spared, unknown=unknown, finishing=self._finishing, costs=self._costs)

    async def _list(self, strategy: PollStrategy, due: list[Wait], budget: int) -> list[Wait]:
        """Read lists, but stop after too many requests. Return the waits that still need a Get."""
        began, waiting = _now(), self._all()
        fresh_since = began - _SEEN_FOR_SECONDS
        if strategy is PollStrategy.FINISHED:
            if not await self._read(FINISHED, budget=budget):
                return []
            self._finishing = float(sum(wait.over for wait in waiting))
            unfinished = [wait for wait in waiting if wait.seen_at >= fresh_since and not wait.over]
            # Reading a long list takes time. If a synthesis task ends after its page was read, only the next
            # reading shows that it ended. The times are therefore counted from the start of this reading.
            for wait in unfinished:
                wait.put_off(began)
                wait.last_running_at = began
            return [wait for wait in due if wait.seen_at < fresh_since][:_GETS_PER_ROUND]
        if not await self._read(UNFINISHED, budget=budget):
            return []
        missing = [wait for wait in waiting if not wait.over and wait.seen_at < began]
        self._finishing = float(len(missing))
        if len(missing) > self._costs.of(FINISHED):
            await self._read(FINISHED, budget=len(missing))
        return [wait for wait in missing if not wait.over and wait.seen_at < began]

    async def _read(self, statuses: tuple[TaskStatus, ...], *, budget: int) -> bool:
        """Read the lists of the synthesis tasks with these statuses.

        Return False if the reading stopped early, because too many pages had no synthesis task with a wait.
        """
        oldest = self._oldest()
        wasted = 0
        for status in statuses:
            pages, token = 0, None
            while token or not pages:
                if wasted >= budget:
                    self._costs.give_up(status, wasted)
                    return False
                page = await self._send("list_speech_synthesis_tasks_page", status=status, next_token=token)
                pages += 1
                wasted += not self._report_page(page["SynthesisTasks"])
                token = page.get("NextToken")
                if status in FINISHED and only_older_follow(page["SynthesisTasks"], oldest):
                    break
            self._costs.learn(status, pages)
        return True

    def _report_page(self, synthesis_tasks: Sequence[Mapping[str, Any]]) -> bool:
        """Report the synthesis tasks on a page to their waits. Return False if none of them has a wait."""
        any_has_wait = False
        for synthesis_task in synthesis_tasks:
            for wait in self._waits.get(synthesis_task["TaskId"], ()):
                wait.report(synthesis_task, _now())
                any_has_wait = True
        return any_has_wait

    def _oldest(self) -> datetime:
        """Return the creation time of the oldest waited-for synthesis task whose creation time is known."""
        return min((wait.created for wait in self._all() if wait.created), default=_EARLIEST)

    async def _get(self, wait: Wait) -> None:
        try:
            synthesis_task = await self._send("get_speech_synthesis_task", wait.synthesis_task_id)
        except Exception as error:  # noqa: BLE001  # any error concerns this request only
            self._report_error(wait, error)
        else:
            for each in self._waits.get(wait.synthesis_task_id, ()):
                each.report(synthesis_task, _now())

    async def _send(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self._costs.forget()
        return await self._requests.send(method, *args, **kwargs)

    def _report_error(self, wait: Wait, error: Exception) -> None:
        if wait.report_error(error, _now(), self._requests.outage):
            self._unexpected.note(wait.synthesis_task_id, error, _now())

    async def _report_error_to_all(self, waits: list[Wait], error: Exception) -> None:
        for number, wait in enumerate(waits):
            self._report_error(wait, error)
            if number % _REPORTED_AT_ONCE == 0:
                await asyncio.sleep(0)


def _now() -> float:
    """Return the event loop's time in seconds. The time is monotonic; in tests, it skips idle time."""
    return asyncio.get_running_loop().time()


_pollers: dict[asyncio.AbstractEventLoop, dict[str, StatusPoller]] = {}


def poller_for(settings: HookSettings) -> StatusPoller:
    """Return the running event loop's poller for these settings. It is removed 1 minute after its last wait.

    :param settings: the connection settings
    """
    for closed in [loop for loop in list(_pollers) if loop.is_closed()]:
        _pollers.pop(closed, None)
    of_this_loop = _pollers.setdefault(asyncio.get_running_loop(), {})
    key = settings.key
    if key not in of_this_loop:
        of_this_loop[key] = StatusPoller(settings, on_unused=lambda: of_this_loop.pop(key, None))
    return of_this_loop[key]
