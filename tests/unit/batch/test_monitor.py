"""The manifest's saves and the status checks while items are started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.batch import monitor
from airflow_polly_provider.batch.monitor import Monitor, note_status, save_interval_seconds
from airflow_polly_provider.exceptions import PollyManifestReplacedError
from tests.unit.batch.engine import Clock
from tests.unit.batch.records import manifest, record, started, task_id
from tests.unit.support import synthesis_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.batch.manifest import ItemRecord


class Statuses:
    """Answers in place of StatusReader."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}
        self.error: Exception | None = None
        self.asked: list[list[str]] = []

    def stop(self) -> None:
        pass

    def read(self, task_ids: list[str]) -> dict[str, Any]:
        self.asked.append(task_ids)
        if self.error is not None:
            raise self.error
        return {each: self.tasks[each] for each in task_ids if each in self.tasks}

    read_finished = read


class Engine:
    """A monitor of records, and what it does."""

    def __init__(self, records: list[ItemRecord]) -> None:
        self.saves = 0
        self.error: Exception | None = None
        self.finishing: list[str] = []
        self.statuses = Statuses()
        self.records = records
        finisher: Any = SimpleNamespace(
            collect=lambda seconds=0.0: None,
            submit=lambda record, task, is_in_place=False: self.finishing.append(record.id),
            is_busy=False,
        )
        store: Any = SimpleNamespace(save=self.save)
        hook: Any = None
        self.renewals = 0
        s3: Any = SimpleNamespace(renew=self.renew, prepare=lambda: None)
        self.monitor = Monitor(hook, manifest(records), store, finisher, s3)
        self.monitor._statuses = self.statuses  # type: ignore[assignment]
        self.monitor._background = self.statuses  # type: ignore[assignment]

    def renew(self) -> None:
        self.renewals += 1
        self.error = None

    def save(self, saved: Any) -> None:
        if self.error is not None:
            raise self.error
        self.saves += 1

    def end_reading(self) -> None:
        """Wait until the status request that is under way is answered."""
        if self.monitor._reading is not None:
            self.monitor._reading.exception(timeout=60)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(monitor, "time", clock)
    return clock


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine([started(0), started(1), record(2)])
    with one.monitor:
        yield one


class TestSave:
    @pytest.mark.parametrize(("look", "interval"), [("0", 2.0), ("30", 30.0), ("600", 60.0)])
    def test_interval_follows_the_search(
        self, monkeypatch: pytest.MonkeyPatch, look: str, interval: float
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", look)
        assert save_interval_seconds() == interval

    def test_is_made_once_in_each_interval(self, engine: Engine, clock: Clock) -> None:
        for _ in range(590):
            engine.monitor.tick()
            clock.sleep(0.1)
        assert engine.saves == 0
        for _ in range(650):
            engine.monitor.tick()
            clock.sleep(0.1)
        assert engine.saves == 2

    def test_is_made_after_500_starts(self, clock: Clock) -> None:
        records = [record(number) for number in range(1000)]
        engine = Engine(records)
        with engine.monitor:
            for number, one in enumerate(records):
                one.task_id, one.status = task_id(number), "scheduled"
                clock.sleep(0.5)
                engine.monitor._saved_at = clock.now
                engine.monitor.tick()
                assert engine.saves == (number + 1) // 500

    def test_that_finds_another_try_ends_this_one(self, engine: Engine, clock: Clock) -> None:
        engine.error = PollyManifestReplacedError("another try has taken over")
        clock.sleep(61)
        with pytest.raises(PollyManifestReplacedError):
            engine.monitor.tick()

    def test_is_made_during_the_wait_if_it_is_a_minute_old(self, engine: Engine, clock: Clock) -> None:
        clock.sleep(59)
        engine.monitor.save_if_old()
        assert engine.saves == 0
        clock.sleep(1)
        engine.monitor.save_if_old()
        assert engine.saves == 1


class TestStatuses:
    def test_are_read_while_items_are_started(self, engine: Engine, clock: Clock) -> None:
        engine.statuses.tasks = {task_id(0): synthesis_task(task_id(0))}
        engine.monitor.tick()
        assert engine.statuses.asked == []
        clock.sleep(10)
        engine.monitor.tick()
        engine.end_reading()
        clock.sleep(1)
        engine.monitor.tick()
        assert engine.statuses.asked == [[task_id(0), task_id(1)]]
        assert engine.records[0].status == "completed"
        assert engine.finishing == ["chapter-00000"]
        assert engine.monitor.running == 1

    def test_that_cannot_be_read_do_not_end_the_start(self, engine: Engine, clock: Clock) -> None:
        engine.statuses.error = RuntimeError("boom")
        for _ in range(3):
            clock.sleep(10)
            engine.monitor.tick()
            engine.end_reading()
        assert engine.statuses.asked
        assert engine.monitor.running == 2

    def test_are_written_with_pollys_reason(self, engine: Engine) -> None:
        failed = synthesis_task(task_id(0), "failed", TaskStatusReason="no voice")
        engine.statuses.tasks = {
            task_id(0): failed,
            task_id(1): synthesis_task(task_id(1), "inProgress"),
        }
        engine.monitor.read_now()
        assert [each.status for each in engine.records] == ["failed", "inProgress", "notStarted"]
        assert engine.records[0].reason == "no voice"
        assert engine.finishing == []
        assert engine.monitor.running == 1

    def test_of_unknown_synthesis_tasks_fail_their_items(self, engine: Engine) -> None:
        engine.statuses.tasks = {task_id(1): synthesis_task(task_id(1), "inProgress")}
        engine.monitor.read_now()
        assert engine.records[0].status == "failed"
        assert engine.records[0].reason == f"Polly no longer knows synthesis task {task_id(0)}"
        assert engine.records[1].status == "inProgress"
        assert engine.monitor.running == 1

    def test_of_completed_items_finish_them_only_once(self, engine: Engine) -> None:
        engine.statuses.tasks = {each: synthesis_task(each) for each in (task_id(0), task_id(1))}
        engine.monitor.read_now()
        engine.monitor.read_now()
        engine.monitor.note(engine.statuses.tasks)
        assert engine.finishing == ["chapter-00000", "chapter-00001"]
        assert engine.monitor.running == 0

    def test_write_the_billed_characters(self) -> None:
        one = started(0)
        note_status(one, synthesis_task(task_id(0), RequestCharacters=77, Engine="generative"))
        assert (one.request_characters, one.spoken_characters, one.engine) == (77, 77, "generative")

    @pytest.mark.parametrize(("given", "reason"), [(None, "Polly gave no reason"), ("x" * 600, "x" * 500)])
    def test_have_a_reason_of_at_most_500_characters(self, given: str | None, reason: str) -> None:
        one = started(0)
        note_status(one, {"TaskStatus": "failed", "TaskStatusReason": given})
        assert one.reason == reason
