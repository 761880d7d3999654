"""The trigger that waits for all synthesis tasks of a batch."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from botocore.exceptions import ConnectTimeoutError

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyError,
    PollyInvalidRequestError,
    PollyManifestReplacedError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.triggers import batch_progress, events, manifests
from airflow_polly_provider.triggers.batch import PollySpeechSynthesisBatchTrigger
from airflow_polly_provider.triggers.deferral import defer_until_batch_ended
from airflow_polly_provider.wait import errors, schedule
from airflow_polly_provider.wait.schedule import Schedule
from tests.unit.batch.fake_s3 import BUCKET, FakeS3, refusal
from tests.unit.batch.records import delivered, manifest, record, started, task_id
from tests.unit.support import Refusal, as_context, connection, context, synthesis_task
from tests.unit.triggers.support import eventually, threads_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.triggers.events import BatchOutcome
    from tests.unit.support import Answer, Request, Wire

KEY = "batches/one.json"
URI = f"s3://{BUCKET}/{KEY}"


class DeferredError(Exception):
    """The task was deferred."""


@pytest.fixture
def s3(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.02)
    # On Airflow 3, a trigger's logger does not use the module logging, so caplog would not see its lines.
    monkeypatch.setattr(PollySpeechSynthesisBatchTrigger, "log", logging.getLogger(__name__))
    fake = FakeS3()
    fake.install(monkeypatch)
    return fake


def trigger(s3: FakeS3, count: int = 3, timeout: float = 20, **arguments: Any) -> Any:
    """Store a manifest with some scheduled synthesis tasks, and return the trigger that waits for them."""
    store = ManifestStore(s3.client, S3Location(BUCKET, KEY))
    store.save(manifest([started(number) for number in range(count)]))
    s3.requests.clear()
    given = {
        "manifest_s3_uri": URI,
        "manifest_etag": store.etag,
        "deadline": time.time() + timeout,
        "poke_interval": 0.02,
    } | arguments
    return PollySpeechSynthesisBatchTrigger(**given)


async def outcome_of(waiting: Any) -> BatchOutcome:
    (event,) = [event async for event in waiting.run()]
    stored = json.loads(json.dumps(event.payload))
    return events.batch_outcome_of(stored)


def counts(outcome: BatchOutcome) -> tuple[int, int, int]:
    return outcome.completed, outcome.failed, outcome.unknown


def statuses(**by_number: str) -> Callable[[Request], Answer]:
    """Return answers in which the synthesis tasks are completed, except for those that are given."""
    given = {task_id(int(number.lstrip("n"))): status for number, status in by_number.items()}
    return lambda request: synthesis_task(
        request.synthesis_task_id, given.get(request.synthesis_task_id, "completed")
    )


class TestEvent:
    async def test_has_the_counts_the_manifest_and_the_stored_values(self, s3: FakeS3, wire: Wire) -> None:
        wire.answer = statuses(n1="failed")
        waiting = trigger(s3, for_resume={"a": 1})
        outcome = await outcome_of(waiting)
        assert counts(outcome) == (2, 1, 0)
        assert outcome.manifest_s3_uri == URI
        assert outcome.manifest_etag == waiting.manifest_etag
        assert outcome.for_resume == {"a": 1}
        assert outcome.error is None

    async def test_counts_only_synthesis_tasks_that_had_not_ended(self, s3: FakeS3, wire: Wire) -> None:
        waiting = trigger(s3)
        store = ManifestStore(s3.client, S3Location(BUCKET, KEY))
        store.load()
        store.save(manifest([record(0), delivered(1), started(2), started(3, "failed")]))
        waiting.manifest_etag = store.etag
        assert counts(await outcome_of(waiting)) == (1, 0, 0)
        assert {request.synthesis_task_id for request in wire.requests} == {task_id(2)}

    async def test_is_sent_although_the_wait_for_one_synthesis_task_ended_with_an_error(
        self, s3: FakeS3, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(errors, "NOT_FOUND_GRACE_SECONDS", 0.0)
        others = statuses()

        def answer(request: Request) -> Answer:
            is_gone = request.synthesis_task_id == task_id(1)
            return Refusal("SynthesisTaskNotFoundException") if is_gone else others(request)

        wire.answer = answer
        outcome = await outcome_of(trigger(s3))
        assert counts(outcome) == (2, 0, 1)
        assert outcome.error is None
        assert f"The last error is about {task_id(1)}" in caplog.text

    async def test_after_the_deadline_has_counts_and_an_error(self, s3: FakeS3, wire: Wire) -> None:
        wire.answer = statuses(n1="inProgress")
        outcome = await outcome_of(trigger(s3, timeout=3))
        assert counts(outcome) == (2, 0, 1)
        assert isinstance(outcome.error, PollyWaitTimeoutError)
        assert "1 of 3 synthesis tasks have not ended" in str(outcome.error)

    @pytest.mark.parametrize(
        "event", [None, {}, {"status": "success"}, {"error": {"class": "PollyError", "message": "no"}}]
    )
    def test_of_another_form_raises_an_error(self, event: Any) -> None:
        with pytest.raises(PollyError):
            events.batch_outcome_of(event)

    def test_of_a_later_version_can_be_read(self) -> None:
        event = events.batch_event(events.BatchOutcome(1, 2, 3, URI, '"e"'))
        event["batch"]["later"] = 1
        assert events.batch_outcome_of(event) == events.BatchOutcome(1, 2, 3, URI, '"e"')

    async def test_and_row_of_10_000_items_are_smaller_than_64_kib(self, s3: FakeS3, wire: Wire) -> None:
        ended = [synthesis_task(task_id(number)) for number in range(10_000)]
        wire.may_list = True
        wire.answer = lambda request: {
            "SynthesisTasks": ended if request.query["Status"] == ["completed"] else []
        }
        waiting = trigger(s3, count=10_000, timeout=60)
        outcome = await outcome_of(waiting)
        assert counts(outcome) == (10_000, 0, 0)
        assert len(json.dumps(waiting.serialize())) < 4096
        assert len(json.dumps(events.batch_event(outcome))) < 4096


class TestManifest:
    async def test_is_read_again_while_s3_does_not_respond(
        self, s3: FakeS3, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        waiting = trigger(s3)
        faults: list[Any] = [refusal(503, "SlowDown")] * 2
        faults += [ConnectTimeoutError(endpoint_url="https://s3.test")] * 2
        s3.before = lambda method, key: faults.pop() if faults else None
        assert counts(await outcome_of(waiting)) == (3, 0, 0)
        assert caplog.text.count("Cannot read the batch's manifest") == 1
        assert {method for method, _ in s3.requests} == {"GET"}

    async def test_that_cannot_be_read_until_the_deadline_is_an_error(self, s3: FakeS3, wire: Wire) -> None:
        waiting = trigger(s3, timeout=0.5)
        s3.before = lambda method, key: ConnectTimeoutError(endpoint_url="https://s3.test")
        outcome = await outcome_of(waiting)
        assert isinstance(outcome.error, PollyWaitTimeoutError)
        assert "its manifest could not be read" in str(outcome.error)

    async def test_that_hangs_blocks_neither_the_event_loop_nor_another_connection(
        self, s3: FakeS3, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))
        other = trigger(s3, aws_conn_id="other")
        changed = {"manifest_s3_uri": f"s3://{BUCKET}/hung.json", "aws_conn_id": "aws_default"}
        hung = PollySpeechSynthesisBatchTrigger(
            **{**other.serialize()[1], **changed, "deadline": time.time() + 3}
        )
        released = threading.Event()

        def hang(method: str, key: str) -> None:
            if key == "hung.json":
                released.wait(60)

        s3.before = hang
        first = asyncio.create_task(outcome_of(hung))
        assert counts(await outcome_of(other)) == (3, 0, 0)
        assert not first.done()
        assert isinstance((await first).error, PollyWaitTimeoutError)
        released.set()
        await eventually(lambda: not threads_named("polly-manifest"))

    async def test_that_s3_denies_is_an_error_that_names_the_action(self, s3: FakeS3, wire: Wire) -> None:
        waiting = trigger(s3)
        s3.before = lambda method, key: refusal(403, "AccessDenied")
        outcome = await outcome_of(waiting)
        assert isinstance(outcome.error, PollyConfigurationError)
        assert "s3:GetObject" in str(outcome.error)
        assert wire.requests == []

    async def test_that_was_replaced_is_an_error(self, s3: FakeS3, wire: Wire) -> None:
        waiting = trigger(s3, manifest_etag='"other"')
        assert isinstance((await outcome_of(waiting)).error, PollyManifestReplacedError)

    @pytest.mark.parametrize("uri", ["", "batches/one.json", "s3://my-bucket"])
    async def test_with_an_invalid_uri_is_an_error(self, s3: FakeS3, wire: Wire, uri: str) -> None:
        outcome = await outcome_of(trigger(s3, manifest_s3_uri=uri))
        assert isinstance(outcome.error, PollyInvalidRequestError)

    async def test_that_fails_to_load_with_a_defect_is_an_error_after_a_while(
        self, s3: FakeS3, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(manifests, "UNEXPECTED_GRACE_SECONDS", 0.2)
        waiting = trigger(s3)
        monkeypatch.setattr(ManifestStore, "load", lambda *args, **kwargs: 1 / 0)
        outcome = await outcome_of(waiting)
        assert type(outcome.error) is PollyError
        assert "ZeroDivisionError" in str(outcome.error)

    async def test_is_read_in_one_thread_for_each_connection_which_then_ends(
        self, s3: FakeS3, wire: Wire
    ) -> None:
        waiting = trigger(s3)
        threads: list[str] = []

        def note_thread(method: str, key: str) -> None:
            threads.append(threading.current_thread().name)

        s3.before = note_thread
        await asyncio.gather(*(outcome_of(waiting) for _ in range(5)))
        assert len(threads) == 5
        assert set(threads) == {"polly-manifest_0"}
        assert manifests._readers == {}
        await eventually(lambda: not threads_named("polly-manifest"))


class TestLog:
    async def test_has_one_line_for_the_transient_errors_of_many_waits(
        self, s3: FakeS3, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.script(Refusal("ServiceFailureException", 500), synthesis_task(status="completed"))
        assert counts(await outcome_of(trigger(s3, count=50))) == (50, 0, 0)
        assert caplog.text.count("Cannot get the status") == 1

    async def test_has_the_counts_at_the_beginning_and_at_the_end(
        self, s3: FakeS3, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        await outcome_of(trigger(s3, count=50))
        assert "Waiting for 50 synthesis tasks" in caplog.text
        assert caplog.text.count("Of 50 synthesis tasks, 50 completed, 0 failed") == 1

    async def test_has_the_counts_during_a_long_wait(
        self,
        s3: FakeS3,
        wire: Wire,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(batch_progress, "LOG_EVERY_SECONDS", 0.0)
        caplog.set_level("INFO")
        await outcome_of(trigger(s3, count=3))
        assert "Of 3 synthesis tasks, 1 completed, 0 failed, and 2 are not known to have ended" in caplog.text

    async def test_says_after_a_kill_how_many_synthesis_tasks_keep_running(
        self, s3: FakeS3, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.answer = statuses(n1="inProgress")
        waiting = trigger(s3)
        await waiting.on_kill()
        assert f"All synthesis tasks of the batch {URI} keep running" in caplog.text
        running = asyncio.create_task(outcome_of(waiting))
        await eventually(lambda: waiting._progress.completed == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await waiting.on_kill()
        assert f"1 synthesis tasks of the batch {URI} keep running and are billed" in caplog.text


class TestDeferral:
    def test_passes_the_settings_of_the_task_to_the_trigger(self) -> None:
        deferred: dict[str, Any] = {}

        class Task:
            aws_conn_id: str | None = "other"
            region_name: str | None = "us-west-2"
            verify: bool | str | None = False
            botocore_config: Any = {"read_timeout": 7}  # noqa: RUF012  # no test changes it
            execution_timeout: Any = None
            log = logging.getLogger("test")

            def defer(self, **arguments: Any) -> NoReturn:
                deferred.update(arguments)
                raise DeferredError

        with pytest.raises(DeferredError):
            defer_until_batch_ended(
                Task(), URI, '"e"', Schedule(12.5), as_context(context()), timeout=60, for_resume={"a": 1}
            )
        _, arguments = deferred["trigger"].serialize()
        assert arguments.pop("deadline") == pytest.approx(time.time() + 60, abs=5)
        assert arguments == {
            "manifest_s3_uri": URI,
            "manifest_etag": '"e"',
            "poke_interval": 12.5,
            "for_resume": {"a": 1},
            "aws_conn_id": "other",
            "region_name": "us-west-2",
            "verify": False,
            "botocore_config": {"read_timeout": 7},
        }
        assert deferred["method_name"] == "execute_complete"
        assert deferred["timeout"].total_seconds() == pytest.approx(360, abs=5)
