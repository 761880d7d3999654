from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.exceptions import PollyWaitTimeoutError
from airflow_polly_provider.wait import errors, schedule
from tests.unit.support import (
    UNUSABLE,
    Refusal,
    execute,
    get_operator,
    start_operator,
    synthesis_task,
    warnings_in,
)

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Truncated, Wire

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")


class TestWaitInWorker:
    @pytest.fixture(autouse=True)
    def _checks_in_quick_succession(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.01)

    @pytest.mark.parametrize(
        "refusal",
        [
            Refusal("ThrottlingException"),
            Refusal("ServiceFailureException", 500),
            Refusal("SynthesisTaskNotFoundException"),
            Refusal("ExpiredTokenException", 403),
        ],
        ids=lambda refusal: refusal.code,
    )
    def test_continues_after_a_transient_error(self, wire: Wire, refusal: Refusal) -> None:
        wire.script_start(SCHEDULED, refusal, SCHEDULED, refusal, COMPLETED)
        operator = start_operator(deferrable=False, botocore_config={"retries": {"total_max_attempts": 1}})
        assert execute(operator)["TaskStatus"] == "completed"

    @pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
    def test_continues_after_an_answer_that_is_not_pollys(self, wire: Wire, unusable: Truncated) -> None:
        wire.script_start(SCHEDULED, unusable, SCHEDULED, unusable, COMPLETED)
        operator = start_operator(deferrable=False, botocore_config={"retries": {"total_max_attempts": 1}})
        assert execute(operator)["TaskStatus"] == "completed"

    def test_continues_when_credentials_expire_between_two_checks_an_hour_apart(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + sum(slept))
        monkeypatch.setattr(time, "sleep", slept.append)
        refused = Refusal("ExpiredTokenException", 403)

        def answer(_: Request) -> Answer:
            if not slept or max(slept) < errors.CREDENTIALS_GRACE_SECONDS:
                return SCHEDULED
            return refused if slept[-1] > errors.CREDENTIALS_GRACE_SECONDS else COMPLETED

        wire.answer = answer
        operator = get_operator(wait_for_completion=True, deferrable=False, poke_interval=3600)
        assert execute(operator)["TaskStatus"] == "completed"

    def test_ends_at_its_timeout_although_the_next_check_is_later(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        began = time.monotonic()
        with pytest.raises(
            PollyWaitTimeoutError, match=r"Timed out waiting for synthesis task t1 \(last status: scheduled\)"
        ):
            execute(start_operator(deferrable=False, timeout=1, poke_interval=30))
        assert time.monotonic() - began < 5

    def test_warns_on_kill_about_the_running_synthesis_task_only_during_the_wait(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.script(SCHEDULED, SCHEDULED, COMPLETED)
        operator = get_operator(wait_for_completion=True, deferrable=False)
        monkeypatch.setattr(time, "sleep", lambda _: operator.on_kill())
        operator.on_kill()
        assert execute(operator)["TaskStatus"] == "completed"
        operator.on_kill()
        (warning,) = [line for line in warnings_in(caplog) if "keeps running" in line]
        assert "t1 keeps running and is billed: the Airflow task was killed" in warning

    def test_warns_on_kill_about_the_running_synthesis_task_after_a_timeout(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.script(SCHEDULED)
        operator = get_operator(wait_for_completion=True, deferrable=False, timeout=0.01)
        with pytest.raises(PollyWaitTimeoutError):
            execute(operator)
        operator.on_kill()
        (warning,) = [line for line in warnings_in(caplog) if "keeps running" in line]
        assert "t1" in warning
