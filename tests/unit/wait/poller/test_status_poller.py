"""The shared poller, tested through triggers on a real event loop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyInvalidRequestError,
    PollySynthesisTaskNotFoundError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.triggers.events import synthesis_task_of
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait import errors, schedule
from airflow_polly_provider.wait.poller import pending, status_poller
from airflow_polly_provider.wait.poller.status_poller import StatusPoller
from tests.unit.support import UNUSABLE, Refusal, connection, new_id, recorded_hooks, synthesis_task
from tests.unit.triggers.support import (
    error_of,
    event_of,
    eventually,
    other_tasks,
    status_of,
    threads_named,
    trigger,
    waiting_for,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.support import Answer, Request, Wire

SCHEDULED = synthesis_task(status="scheduled")
IN_PROGRESS = synthesis_task(status="inProgress")
COMPLETED = synthesis_task(status="completed")


class TestSharing:
    async def test_waits_with_equal_settings_share_one_hook(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wire.script(SCHEDULED, IN_PROGRESS, COMPLETED)
        config = {"read_timeout": 7, "retries": {"mode": "standard"}}
        with recorded_hooks(monkeypatch) as hooks:
            waits = [trigger(region_name="eu-west-1", botocore_config=dict(config)) for _ in range(20)]
            assert await asyncio.gather(*map(status_of, waits)) == ["completed"] * 20
        assert len(hooks) == 1
        assert all(wire.count(wait.synthesis_task_id) == 3 for wait in waits)

    @pytest.mark.parametrize(
        "other",
        [
            {"region_name": "us-west-2"},
            {"aws_conn_id": "other"},
            {"verify": False},
            {"botocore_config": {"read_timeout": 7}},
        ],
    )
    async def test_waits_with_different_settings_have_separate_hooks(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="ap-south-1"))
        wire.script(SCHEDULED, COMPLETED)
        with recorded_hooks(monkeypatch) as hooks:
            statuses = await asyncio.gather(status_of(trigger()), status_of(trigger(**other)))
            assert list(statuses) == ["completed"] * 2
        assert len(hooks) == 2

    async def test_each_wait_uses_the_region_of_its_own_settings(self, wire: Wire) -> None:
        here, there = trigger(), trigger(region_name="us-west-2")
        await asyncio.gather(status_of(here), status_of(there))
        assert {request.synthesis_task_id: request.region for request in wire.requests} == {
            here.synthesis_task_id: "eu-west-1",
            there.synthesis_task_id: "us-west-2",
        }

    async def test_a_wait_that_joins_later_is_checked_immediately(self, wire: Wire) -> None:
        wire.answer = lambda request: synthesis_task(
            request.synthesis_task_id, "completed" if request.synthesis_task_id == "late" else "scheduled"
        )
        slow = PollySpeechSynthesisTaskTrigger(
            synthesis_task_id="slow", deadline=time.time() + 60, poke_interval=30
        )
        first = asyncio.create_task(event_of(slow))
        await eventually(lambda: wire.count("slow"))
        async with asyncio.timeout(1):
            assert await status_of(trigger("late")) == "completed"
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    @pytest.mark.parametrize("poke_interval", [0, timedelta(seconds=0.02)])
    async def test_a_wait_with_an_unusual_poke_interval_does_not_affect_other_waits(
        self, wire: Wire, poke_interval: Any
    ) -> None:
        wire.may_list = True

        def answer(request: Request) -> Answer:
            if request.operation == "ListSpeechSynthesisTasks":
                return {"SynthesisTasks": []}
            asked = wire.count(request.synthesis_task_id)
            return synthesis_task(request.synthesis_task_id, "completed" if asked > 3 else "scheduled")

        wire.answer = answer
        odd = PollySpeechSynthesisTaskTrigger(
            synthesis_task_id=new_id(), deadline=time.time() + 20, poke_interval=poke_interval
        )
        assert await asyncio.gather(*map(status_of, [trigger(), trigger(), odd])) == ["completed"] * 3

    async def test_two_waits_for_the_same_synthesis_task_both_end(self, wire: Wire) -> None:
        wire.script(SCHEDULED, SCHEDULED, COMPLETED)
        twins = [trigger("same"), trigger("same")]
        assert await asyncio.gather(*map(status_of, twins)) == ["completed"] * 2

    def test_each_event_loop_has_its_own_poller(self, wire: Wire) -> None:
        """The poller of a closed loop must not be reused in the next loop."""

        async def cancelled_wait() -> None:
            waiting = asyncio.create_task(event_of(trigger()))
            await eventually(lambda: wire.requests)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        wire.script(SCHEDULED)
        asyncio.run(cancelled_wait())
        wire.script(COMPLETED)
        assert asyncio.run(status_of(trigger())) == "completed"


def pollers() -> list[StatusPoller]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is StatusPoller]


def allow_lists(wire: Wire) -> None:
    """Answer lists with no tasks: pytest keeps the error of a denied list, and with it the poller."""
    wire.may_list = True
    wire.answer = lambda request: (
        {"SynthesisTasks": []}
        if request.operation == "ListSpeechSynthesisTasks"
        else synthesis_task(request.synthesis_task_id)
    )


def new_pollers(before: list[StatusPoller]) -> list[StatusPoller]:
    return [poller for poller in pollers() if poller not in before]


class TestPoller:
    async def test_is_released_some_time_after_its_last_wait(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of_other_tests = pollers()
        allow_lists(wire)
        monkeypatch.setattr(status_poller, "KEPT_SECONDS", 0.05)
        await asyncio.gather(*(status_of(trigger()) for _ in range(3)))
        await eventually(lambda: not new_pollers(of_other_tests))

    async def test_is_kept_between_consecutive_waits(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise each wait would create a client and lose the rate that was reduced by throttling."""
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "20")
        answers = iter([Refusal("ThrottlingException")])
        wire.answer = lambda _: next(answers, COMPLETED)
        with recorded_hooks(monkeypatch) as hooks:
            for _ in range(4):
                await status_of(trigger())
                await eventually(lambda: not other_tasks())
        assert len(hooks) == 1
        first, *_, last = [request.at for request in wire.requests]
        assert last - first >= 3 * 0.8 / 10, "throttling halves the rate of 20 requests per second"

    async def test_and_its_client_are_replaced_after_a_failed_request(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So a later wait uses a corrected connection immediately."""
        wire.script(Refusal("InvalidTaskIdException"))
        with recorded_hooks(monkeypatch) as hooks:
            await error_of(trigger())
            wire.script(COMPLETED)
            await status_of(trigger())
        assert len(hooks) == 2

    async def test_and_its_client_are_replaced_while_a_request_of_a_cancelled_wait_is_running(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise two threads would use one hook."""
        release = threading.Event()

        def answer(_: Request) -> Answer:
            if not release.is_set():
                release.wait(30)
            return COMPLETED

        wire.answer = answer
        with recorded_hooks(monkeypatch) as hooks:
            waiting = asyncio.create_task(event_of(trigger()))
            await eventually(lambda: wire.requests)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            later = asyncio.create_task(status_of(trigger()))
            await eventually(lambda: len(wire.requests) == 2)
            release.set()
            assert await later == "completed"
        assert len(hooks) == 2
        await eventually(lambda: not threads_named("polly-status"))

    async def test_ends_its_thread_with_the_last_wait(self, wire: Wire) -> None:
        await asyncio.gather(*(status_of(trigger()) for _ in range(3)))
        assert {request.thread.partition("_")[0] for request in wire.requests} == {"polly-status"}
        await eventually(lambda: not threads_named("polly-status"))

    async def test_sends_no_more_requests_after_its_only_wait_is_cancelled(self, wire: Wire) -> None:
        wire.script(SCHEDULED)
        waiting = asyncio.create_task(event_of(trigger()))
        await eventually(lambda: len(wire.requests) >= 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await eventually(lambda: not other_tasks())
        # One request may still have been running in its thread.
        await asyncio.sleep(0.05)
        asked = len(wire.requests)
        await asyncio.sleep(0.3)
        assert len(wire.requests) == asked

    async def test_continues_for_the_other_wait_after_one_is_cancelled(self, wire: Wire) -> None:
        done = asyncio.Event()
        wire.answer = lambda request: synthesis_task(
            request.synthesis_task_id, "completed" if done.is_set() else "inProgress"
        )
        leaving, staying = trigger(), trigger()
        cancelled = asyncio.create_task(event_of(leaving))
        kept = asyncio.create_task(status_of(staying))
        await eventually(
            lambda: wire.count(leaving.synthesis_task_id) and wire.count(staying.synthesis_task_id)
        )
        cancelled.cancel()
        await asyncio.sleep(0.1)
        asked = wire.count(leaving.synthesis_task_id)
        done.set()
        assert await kept == "completed"
        assert wire.count(leaving.synthesis_task_id) == asked

    def test_is_released_with_its_event_loop(self, wire: Wire) -> None:
        """``dag.test()`` runs each wait in a new event loop."""
        of_other_tests = pollers()
        allow_lists(wire)
        for _ in range(3):
            asyncio.run(status_of(trigger()))
        assert len(new_pollers(of_other_tests)) <= 1


class RecordingHandler(logging.Handler):
    """Records each line with the id of the wait in whose context it was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []
        self.logger = logging.Logger("waits", logging.INFO)  # noqa: LOG001  # not registered, so only used here
        self.logger.addHandler(self)

    def trigger(self) -> PollySpeechSynthesisTaskTrigger:
        """Return a trigger that logs here; Airflow 3 uses structlog loggers, Airflow 2 standard ones."""
        logger = self.logger

        class LoggingTrigger(PollySpeechSynthesisTaskTrigger):
            log = property(lambda self: logger)

        return trigger(trigger_class=LoggingTrigger)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((waiting_for.get(), record.getMessage()))


class TestLogs:
    async def test_each_wait_logs_in_its_own_context_and_requests_are_sent_outside_any(
        self, wire: Wire
    ) -> None:
        asked_in: set[str] = set()

        def answer(request: Request) -> Answer:
            asked_in.add(waiting_for.get())
            if wire.count(request.synthesis_task_id) < 2:
                return Refusal("ServiceFailureException", 500)
            return COMPLETED

        wire.answer = answer
        recording = RecordingHandler()
        waits = [recording.trigger(), recording.trigger()]
        await asyncio.gather(*(asyncio.create_task(event_of(wait)) for wait in waits))
        assert asked_in == {"nobody"}
        for wait in waits:
            lines = [line for context, line in recording.lines if context == wait.synthesis_task_id]
            assert len(lines) == 2
            assert "still waiting" in lines[0]
            assert "ServiceFailureException" in lines[0]
            assert lines[1] == f"Synthesis task {wait.synthesis_task_id} is completed"

    async def test_an_error_that_repeats_is_logged_once(self, wire: Wire) -> None:
        wire.script(*[Refusal("ServiceFailureException", 500)] * 10, COMPLETED)
        recording = RecordingHandler()
        await status_of(recording.trigger())
        assert len(recording.lines) == 2


class TestEventLoop:
    async def test_is_not_blocked_by_a_slow_service(self, wire: Wire) -> None:
        wire.delay_seconds = 0.3
        stalls: list[float] = []

        async def feel() -> None:
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                stalls.append(time.monotonic() - began)

        feeling = asyncio.create_task(feel())
        await status_of(trigger())
        feeling.cancel()
        assert max(stalls) < 0.25
        assert len(stalls) > 10


TRANSIENT: dict[str, Answer] = {
    "throttled": Refusal("ThrottlingException"),
    "too many requests": Refusal("TooManyRequestsException", 429),
    "failure of the service": Refusal("ServiceFailureException", 500),
    "unavailable": Refusal("ServiceUnavailable", 503),
    "read time-out": ReadTimeoutError(endpoint_url="polly"),
    "connect time-out": ConnectTimeoutError(endpoint_url="polly"),
    "no network": EndpointConnectionError(endpoint_url="polly"),
    **UNUSABLE,
    "too many open files": OSError("Too many open files"),
    "a defect of this package": TypeError("'NoneType' object is not subscriptable"),
    "id not known yet": Refusal("SynthesisTaskNotFoundException"),
    "expired credentials": Refusal("ExpiredTokenException", 403),
    "an SSO session that ended": UnauthorizedSSOTokenError(),
    "an unknown status": synthesis_task(status="scheduled", TaskStatus="queued"),
}


class TestWaitContinues:
    @pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
    async def test_after_a_transient_error(self, wire: Wire, fault: Answer) -> None:
        wire.script(fault, SCHEDULED, fault, COMPLETED)
        assert await status_of(trigger()) == "completed"

    async def test_more_slowly_when_throttled(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__STATUS_REQUESTS_PER_SECOND", "20")
        wire.script(Refusal("ThrottlingException"), *[SCHEDULED] * 10)
        await error_of(trigger(timeout=1.5))
        assert 5 <= len(wire.requests) <= 20

    async def test_with_a_connection_that_is_changed_after_its_credentials_expired(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answer(request: Request) -> Answer:
            if request.region == "eu-west-1":
                monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-2"))
                return Refusal("ExpiredTokenException", 403)
            return COMPLETED

        wire.answer = answer
        assert await status_of(trigger()) == "completed"

    async def test_with_credentials_that_a_process_renews_late(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A ``credential_process`` in AWS's configuration may return the expired credentials for a while."""
        given = tmp_path / "credentials.json"

        def give(until: datetime) -> None:
            keys = {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "secret", "SessionToken": "token"}
            given.write_text(json.dumps({"Version": 1, "Expiration": until.isoformat(), **keys}))

        (tmp_path / "config").write_text(f"[default]\nregion=eu-west-1\ncredential_process=cat {given}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        give(datetime.now(UTC) - timedelta(minutes=1))
        waiting_task = asyncio.create_task(status_of(trigger(aws_conn_id=None)))
        await asyncio.sleep(0.5)
        give(datetime.now(UTC) + timedelta(hours=1))
        assert await waiting_task == "completed"

    async def test_if_credentials_expire_between_two_checks_that_are_far_apart(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A slow machine needs most of a second to create a client with the new credentials.
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 3)
        monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.05)
        wire.script(SCHEDULED, *[Refusal("ExpiredTokenException", 403)] * 2, COMPLETED)
        seldom = PollySpeechSynthesisTaskTrigger(
            synthesis_task_id=new_id(), deadline=time.time() + 60, poke_interval=3.5, exponential_backoff=True
        )
        assert await status_of(seldom) == "completed"

    async def test_until_the_synthesis_task_has_failed(self, wire: Wire) -> None:
        wire.script(SCHEDULED, synthesis_task(status="failed", TaskStatusReason="no bucket"))
        event = await event_of(trigger())
        assert synthesis_task_of(event)["TaskStatus"] == "failed"
        assert synthesis_task_of(event)["TaskStatusReason"] == "no bucket"

    async def test_to_completion_with_an_output_uri_that_names_no_object(self, wire: Wire) -> None:
        wire.script(synthesis_task(OutputUri="https://elsewhere"))
        assert await status_of(trigger()) == "completed"


class TestWaitFails:
    async def test_after_its_own_grace_period_even_if_an_earlier_wait_used_up_one(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.3)
        wire.script(Refusal("ExpiredTokenException", 403))
        for _ in range(2):
            began = time.monotonic()
            assert isinstance(await error_of(trigger()), PollyCredentialsError)
            assert time.monotonic() - began >= 0.3

    async def test_when_a_defect_of_the_poller_repeats(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise KeyError("a defect")

        monkeypatch.setattr(pending, "UNEXPECTED_GRACE_SECONDS", 0.2)
        monkeypatch.setattr(StatusPoller, "_cheapest_strategy", fail)
        assert "a defect" in str(await error_of(trigger()))

    async def test_when_the_id_stays_unknown_for_the_grace_period(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(errors, "NOT_FOUND_GRACE_SECONDS", 0.3)
        wire.script(Refusal("SynthesisTaskNotFoundException"))
        began = time.monotonic()
        error = await error_of(trigger())
        assert time.monotonic() - began >= 0.3
        assert isinstance(error, PollySynthesisTaskNotFoundError)
        assert "72 hours" in str(error)

    async def test_when_credentials_stay_refused_for_the_grace_period(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(errors, "CREDENTIALS_GRACE_SECONDS", 0.3)
        wire.script(SCHEDULED, Refusal("ExpiredTokenException", 403))
        assert isinstance(await error_of(trigger()), PollyCredentialsError)

    async def test_without_failing_other_waits_when_access_to_its_synthesis_task_is_denied(
        self, wire: Wire
    ) -> None:
        denied, allowed = trigger(), trigger()

        def answer(request: Request) -> Answer:
            if request.synthesis_task_id == denied.synthesis_task_id:
                return Refusal("AccessDeniedException", 403)
            asked = wire.count(request.synthesis_task_id)
            return synthesis_task(request.synthesis_task_id, "completed" if asked > 3 else "scheduled")

        wire.answer = answer
        error, status = await asyncio.gather(error_of(denied), status_of(allowed))
        assert isinstance(error, PollyConfigurationError)
        assert error.synthesis_task_id == denied.synthesis_task_id
        assert "Allow polly:GetSpeechSynthesisTask" in str(error)
        assert status == "completed"

    async def test_when_the_id_is_malformed(self, wire: Wire) -> None:
        wire.script(Refusal("InvalidTaskIdException", 400, "Invalid task id"))
        assert isinstance(await error_of(trigger()), PollyInvalidRequestError)

    async def test_when_no_region_is_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", connection())
        error = await error_of(trigger(aws_conn_id="nowhere"))
        assert isinstance(error, PollyConfigurationError)
        assert "'nowhere' was found" in str(error)

    @pytest.mark.parametrize(
        "settings",
        [
            {"aws_conn_id": "broken"},
            {"botocore_config": {"no_such_setting": 1}},
            {"region_name": "not a region"},
            {"verify": "/no/such/bundle.pem"},
        ],
        ids=["connection", "config", "region", "bundle"],
    )
    async def test_with_a_clear_error_when_no_client_can_be_made(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(pending, "UNEXPECTED_GRACE_SECONDS", 0.2)
        monkeypatch.setenv("AIRFLOW_CONN_BROKEN", '{"conn_type": "aws", "extra": "{not json"}')
        if "verify" in settings:
            wire.answer = lambda _: OSError("Could not find a suitable TLS CA certificate bundle")
        errors = await asyncio.gather(*(error_of(trigger(**settings)) for _ in range(3)))
        assert all(str(error) for error in errors)
        assert all(error.synthesis_task_id for error in errors)
        await eventually(lambda: not other_tasks())

    async def test_when_an_unexpected_error_repeats_but_a_later_wait_succeeds(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pending, "UNEXPECTED_GRACE_SECONDS", 0.2)
        wire.answer = lambda _: OSError("out of file descriptors")
        errors = await asyncio.gather(*(error_of(trigger()) for _ in range(3)))
        assert all("out of file descriptors" in str(error) for error in errors)
        wire.script(COMPLETED)
        assert await status_of(trigger()) == "completed"

    @pytest.mark.parametrize("last", ["inProgress", None])
    async def test_at_its_deadline(self, wire: Wire, last: str | None) -> None:
        wire.script(synthesis_task(status=last) if last else Refusal("ServiceFailureException", 500))
        began = time.monotonic()
        error = await error_of(trigger(timeout=1))
        assert 0.9 < time.monotonic() - began < 3
        assert isinstance(error, PollyWaitTimeoutError)
        assert error.task_status == last
        assert error.synthesis_task_id
        for word in (error.synthesis_task_id, f"last status: {last or 'unknown'}", "keeps running", "billed"):
            assert word in str(error)
        await eventually(lambda: not other_tasks())
