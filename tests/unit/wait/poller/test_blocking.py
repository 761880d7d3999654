"""Blocking calls run outside the event loop, in one thread per owner."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync

from airflow_polly_provider.wait.poller.blocking import BlockingCalls
from tests.unit.triggers.support import eventually, threads_named

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """Yield an event for a hanging call to wait for; set it at the end of the test."""
    over = threading.Event()
    yield over
    over.set()


async def test_a_message_to_the_supervisor_goes_through_the_callers_event_loop() -> None:
    """Airflow 3.0 and 3.1 use ``async_to_sync`` for it; a second event loop would end the triggerer."""

    async def send() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def look_up() -> tuple[asyncio.AbstractEventLoop, int]:
        return async_to_sync(send)(), threading.get_ident()

    loop, thread = await BlockingCalls("lookup").run(look_up)

    assert loop is asyncio.get_running_loop()
    assert thread != threading.get_ident()


async def test_hanging_calls_do_not_delay_calls_of_another_owner(hang: threading.Event) -> None:
    hanging = [asyncio.create_task(BlockingCalls("hanging").run(hang.wait)) for _ in range(40)]
    await eventually(lambda: len(threads_named("hanging")) == len(hanging))

    async with asyncio.timeout(5):
        assert await BlockingCalls("good").run(pow, 2, 3) == 8

    hang.set()
    assert await asyncio.gather(*hanging) == [True] * len(hanging)


async def test_calls_of_one_owner_run_one_after_the_other() -> None:
    running, most = 0, 0

    def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1

    calls = BlockingCalls("serial")
    await asyncio.gather(*(calls.run(call) for _ in range(5)))
    assert most == 1


async def test_cancelling_a_call_does_not_wait_until_it_returns(hang: threading.Event) -> None:
    calls = BlockingCalls("cancelled")
    waiting = asyncio.create_task(calls.run(hang.wait))
    await eventually(lambda: threads_named("cancelled"))
    waiting.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_errors_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await BlockingCalls("failing").run(divmod, 1, 0)


async def test_close_ends_the_thread_and_a_later_call_starts_a_new_one() -> None:
    calls = BlockingCalls("closed")
    calls.close()
    for _ in range(2):
        assert await calls.run(len, "abc") == 3
        assert len(threads_named("closed")) == 1
        calls.close()
        await eventually(lambda: not threads_named("closed"))


async def test_close_ends_the_thread_after_the_running_call_returns(hang: threading.Event) -> None:
    calls = BlockingCalls("late")
    waiting = asyncio.create_task(calls.run(hang.wait))
    await eventually(lambda: threads_named("late"))
    calls.close()
    hang.set()
    assert await waiting
    await eventually(lambda: not threads_named("late"))
