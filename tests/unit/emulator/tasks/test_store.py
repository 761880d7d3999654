from __future__ import annotations

import time

import pytest

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.tasks.seeding import Seed, plant
from airflow_polly_provider.emulator.tasks.store import SynthesisTask, TaskStore
from tests.unit.emulator.stopped_clock import StoppedClock

HOUR = 3600


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def store(clock: StoppedClock) -> TaskStore:
    return TaskStore(clock)


def all_pages(
    store: TaskStore, *, status: str | None = None, limit: int = 7, newest_first: bool = False
) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page, token = store.page(status=status, limit=limit, token=token, newest_first=newest_first)
        found += [task.task_id for task in page]
        if token is None:
            return found


def test_a_task_is_scheduled_then_in_progress_then_completed_at_its_planned_times(
    clock: StoppedClock, store: TaskStore
) -> None:
    task = SynthesisTask("a", store.new_key(), {})
    store.add(task, starts_at=clock.now + 2, ends_at=clock.now + 5)
    store.report(task, "completed")
    seen = []
    for _ in range(6):
        seen.append(store.get("a").status)
        clock.advance(1)
    assert seen == ["scheduled", "scheduled", "inProgress", "inProgress", "inProgress", "completed"]


def test_a_task_stays_in_progress_after_its_planned_end_until_its_result_is_reported(
    clock: StoppedClock, store: TaskStore
) -> None:
    task = SynthesisTask("a", store.new_key(), {})
    store.add(task, starts_at=clock.now, ends_at=clock.now + 1)
    clock.advance(100)
    assert store.get("a").status == "inProgress"
    store.report(task, "failed", "no bucket")
    assert store.get("a").as_dict()["TaskStatusReason"] == "no bucket"


def test_a_task_is_removed_after_72_hours(clock: StoppedClock, store: TaskStore) -> None:
    (task_id,) = plant(Seed(), store, clock, "us-east-1")
    clock.advance(72 * HOUR)
    assert store.get(task_id)
    clock.advance(1)
    with pytest.raises(ApiError, match="SynthesisTaskNotFoundException"):
        store.get(task_id)
    assert all_pages(store) == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_contain_every_task_once_in_order_of_creation(
    clock: StoppedClock, store: TaskStore, newest_first: bool
) -> None:
    expected = plant(Seed(count=30, spacing_seconds=1), store, clock, "us-east-1")
    expected += plant(Seed(count=3, status="inProgress"), store, clock, "us-east-1")
    if newest_first:
        expected.reverse()
    assert all_pages(store, newest_first=newest_first) == expected


def test_tasks_added_or_removed_between_two_pages_cause_no_duplicate_and_no_gap(
    clock: StoppedClock, store: TaskStore
) -> None:
    old = plant(Seed(count=5, age_seconds=71 * HOUR), store, clock, "us-east-1")
    new = plant(Seed(count=5), store, clock, "us-east-1")
    first, token = store.page(status=None, limit=6, token=None, newest_first=False)
    assert [task.task_id for task in first] == old + new[:1]
    clock.advance(2 * HOUR)
    newer = plant(Seed(count=2), store, clock, "us-east-1")
    rest, token = store.page(status=None, limit=10, token=token, newest_first=False)
    assert [task.task_id for task in rest] == new[1:] + newer
    assert token is None


def test_the_status_filter_of_a_list_uses_the_current_status(clock: StoppedClock, store: TaskStore) -> None:
    task_ids = plant(
        Seed(count=4, status="scheduled", starts_in_seconds=1, ends_in_seconds=2), store, clock, "us-east-1"
    )
    assert all_pages(store, status="scheduled") == task_ids
    clock.advance(1)
    assert (all_pages(store, status="scheduled"), all_pages(store, status="inProgress")) == ([], task_ids)
    clock.advance(1)
    assert all_pages(store, status="completed") == task_ids


def test_fifty_thousand_tasks_that_end_and_expire_together_are_processed_within_8_seconds(
    clock: StoppedClock, store: TaskStore
) -> None:
    seed = Seed(count=50_000, status="scheduled", starts_in_seconds=1, ends_in_seconds=2)
    task_ids = plant(seed, store, clock, "us-east-1")
    plant(Seed(count=3), store, clock, "us-east-1")
    clock.advance(2)
    began = time.monotonic()
    assert store.get(task_ids[0]).status == "completed"
    assert all_pages(store, status="completed", limit=200_000)[:50_000] == task_ids
    assert all_pages(store, status="scheduled") == all_pages(store, status="inProgress") == []
    clock.advance(73 * HOUR)
    assert all_pages(store) == []
    assert len(store) == 0
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("token", ["", "rubbish", "é", "bnVsbA==", "WzEsMl0", "W1tdLDJd", "[" * 5000])
def test_a_page_token_that_the_store_did_not_issue_is_refused(store: TaskStore, token: str) -> None:
    with pytest.raises(ApiError, match="InvalidNextTokenException"):
        store.page(status=None, limit=1, token=token, newest_first=False)
