"""Helpers that run a trigger and return its event, status or error."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.triggers.events import synthesis_task_of
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from tests.unit.support import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

waiting_for: contextvars.ContextVar[str] = contextvars.ContextVar("waiting_for", default="nobody")
"""The synthesis task id of the wait that runs in the current context."""


def trigger(
    synthesis_task_id: str | None = None,
    timeout: float = 20,
    trigger_class: type[PollySpeechSynthesisTaskTrigger] = PollySpeechSynthesisTaskTrigger,
    **settings: Any,
) -> PollySpeechSynthesisTaskTrigger:
    return trigger_class(
        synthesis_task_id=synthesis_task_id or new_id(),
        deadline=time.time() + timeout,
        poke_interval=0.02,
        **settings,
    )


async def event_of(waiting_trigger: PollySpeechSynthesisTaskTrigger) -> dict[str, Any]:
    """Return the payload of the single event that a trigger sends."""
    waiting_for.set(waiting_trigger.synthesis_task_id)
    events = [event async for event in waiting_trigger.run()]
    assert len(events) == 1
    payload: dict[str, Any] = events[0].payload
    return payload


async def status_of(waiting_trigger: PollySpeechSynthesisTaskTrigger) -> str:
    status: str = synthesis_task_of(await event_of(waiting_trigger))["TaskStatus"]
    return status


async def error_of(waiting_trigger: PollySpeechSynthesisTaskTrigger) -> PollyError:
    with pytest.raises(PollyError) as error:
        synthesis_task_of(await event_of(waiting_trigger))
    return error.value


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # another thread changes the condition
            await asyncio.sleep(0.01)


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def threads_named(prefix: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(prefix)]
