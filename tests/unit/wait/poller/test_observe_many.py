"""One caller that waits for many synthesis tasks."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES
from airflow_polly_provider.exceptions import PollyError, PollySynthesisTaskNotFoundError
from airflow_polly_provider.wait import errors
from airflow_polly_provider.wait.poller.client import HookSettings
from airflow_polly_provider.wait.poller.pending import TransientError
from airflow_polly_provider.wait.poller.status_poller import StatusPoller, poller_for
from airflow_polly_provider.wait.schedule import Schedule
from tests.unit.support import Refusal, synthesis_task, warnings_in
from tests.unit.triggers.support import other_tasks
from tests.unit.wait.poller.virtual_account import Account, Answers, SkippingLoop

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire

SOON = Schedule(poke_interval=0.02)


async def observed(ids: list[str], schedule: Schedule = SOON) -> list[tuple[str, Any]]:
    async with aclosing(poller_for(HookSettings()).observe_many(ids, schedule)) as updates:
        return [update async for update in updates]


def ended(updates: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the last update of each synthesis task."""
    return dict(updates)


class TestManyWaits:
    async def test_yield_each_change_of_each_synthesis_task(self, wire: Wire) -> None:
        wire.script(*(synthesis_task(status=status) for status in ("scheduled", "inProgress", "completed")))
        updates = await observed([f"t{number}" for number in range(20)])
        for number in range(20):
            statuses = [update["TaskStatus"] for one, update in updates if one == f"t{number}"]
            assert statuses == ["scheduled", "inProgress", "completed"]
        await asyncio.sleep(0)
        assert other_tasks() == set()

    async def test_of_no_synthesis_task_end_at_once(self, wire: Wire) -> None:
        assert await observed([]) == []
        assert wire.requests == []

    async def test_of_the_same_synthesis_task_count_once(self, wire: Wire) -> None:
        assert [one for one, _ in await observed(["t1", "t1", "t2"])] == ["t1", "t2"]

    async def test_continue_after_an_error_that_ends_one_of_them(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(errors, "NOT_FOUND_GRACE_SECONDS", 0.0)

        def answer(request: Request) -> Answer:
            if request.synthesis_task_id == "gone":
                return Refusal("SynthesisTaskNotFoundException")
            is_over = wire.count("gone") > 0 and wire.count(request.synthesis_task_id) > 2
            return synthesis_task(request.synthesis_task_id, "completed" if is_over else "scheduled")

        wire.answer = answer
        last = ended(await observed(["t1", "gone", "t2"]))
        assert isinstance(last["gone"], PollySynthesisTaskNotFoundError)
        assert last["t1"]["TaskStatus"] == last["t2"]["TaskStatus"] == "completed"

    async def test_share_the_requests_with_other_waits(self, wire: Wire) -> None:
        wire.script(synthesis_task(status="scheduled"), synthesis_task(status="completed"))
        both = await asyncio.gather(observed(["t1", "t2"]), observed(["t2", "t3"]))
        assert [sorted(ended(one)) for one in both] == [["t1", "t2"], ["t2", "t3"]]
        assert wire.count("t2") == 2

    async def test_that_are_abandoned_leave_nothing_behind(self, wire: Wire) -> None:
        wire.script(synthesis_task(status="scheduled"))
        poller = poller_for(HookSettings())
        async with aclosing(poller.observe_many(["t1", "t2", "t3"], SOON)) as updates:
            await anext(updates)
        assert poller._waits == {}
        await asyncio.sleep(0)
        assert other_tasks() == set()

    async def test_log_an_unexpected_error_once(self, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
        broken = RuntimeError("broken")
        wire.script(broken, synthesis_task(status="completed"))
        updates = await observed([f"t{number}" for number in range(50)])
        assert sum(isinstance(update, TransientError) for _, update in updates) == 50
        (line,) = [line for line in warnings_in(caplog) if "Unexpected error" in line]
        assert line == "Unexpected error for synthesis task t0"


def test_10_000_waits_need_few_requests_and_little_cpu_time(wire: Wire) -> None:
    """With quadratic work for each round, this test would need minutes."""
    account = Account(ours=[30.0 + number / 100 for number in range(10_000)])
    statuses: dict[str, str] = {}

    async def wait_for_all() -> None:
        many = StatusPoller(HookSettings()).observe_many(list(account.ends), Schedule())
        async with aclosing(many) as updates:
            async for one, update in updates:
                assert not isinstance(update, TransientError | PollyError)
                statuses[one] = update["TaskStatus"]

    with asyncio.Runner(loop_factory=SkippingLoop) as runner, pytest.MonkeyPatch.context() as patch:
        answers = Answers(account, runner.get_loop().time)
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-call.polly", answers)]
        patch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
        patch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "5")
        began = time.process_time()
        runner.run(wait_for_all())
    assert time.process_time() - began < 15
    assert len(statuses) == 10_000
    assert set(statuses.values()) <= TERMINAL_STATUSES
    assert answers.requests < 3000
