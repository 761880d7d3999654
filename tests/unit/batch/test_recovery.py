"""What a try takes over from earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.batch.manifest import ENDED, STARTING, WAITING
from airflow_polly_provider.batch.recovery import (
    Recovery,
    continues,
    may_have_unknown_starts,
    now,
    reset,
    with_earlier_records,
)
from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.start import task_search
from airflow_polly_provider.start.current_run import CurrentRun
from tests.unit.batch.engine import Polly, hook, jobs
from tests.unit.batch.records import RUN_TOKEN, delivered, manifest, record, started
from tests.unit.support import Refusal

if TYPE_CHECKING:
    from airflow_polly_provider.batch.job import Job
    from airflow_polly_provider.batch.manifest import Manifest
    from tests.unit.support import Wire


RETRY = CurrentRun("another time", datetime.now(tz=UTC), 2)


@pytest.fixture
def polly(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Polly:
    monkeypatch.setattr(task_search, "PAGES_PER_SECOND", 10_000.0)
    return Polly(wire)


@pytest.mark.parametrize(
    "undelivered", [record(1), started(1), started(1, "failed"), started(1, "completed")]
)
def test_a_cleared_task_continues_a_batch_that_is_not_delivered(undelivered: Any) -> None:
    assert continues(manifest([delivered(0), undelivered]), RETRY, "other")


def test_a_cleared_task_begins_a_delivered_batch_again() -> None:
    earlier = manifest([delivered(0), delivered(1)])
    assert not continues(earlier, RETRY, "other")
    assert continues(earlier, RETRY, RUN_TOKEN), "a retry continues"


def test_a_retry_of_a_cleared_task_continues_a_batch_that_this_task_delivered() -> None:
    earlier = manifest([delivered(0)], try_token="b" * 16)
    assert continues(earlier, RETRY, "b" * 16)


def test_a_run_that_was_deleted_and_created_again_does_not_continue() -> None:
    earlier = manifest([started(0)])
    assert not continues(earlier, RETRY._replace(try_number=1), RUN_TOKEN)


def test_a_cleared_task_that_does_not_wait_begins_again() -> None:
    earlier = manifest([started(0), started(1)], phase=ENDED)
    assert not continues(earlier, RETRY, "other")


@pytest.mark.parametrize(("phase", "unknown"), [(STARTING, True), (WAITING, False), (ENDED, False)])
def test_starts_may_be_unknown_only_while_starting(phase: str, unknown: bool) -> None:
    assert may_have_unknown_starts(manifest([], phase=phase)) is unknown


def test_no_earlier_try_started_anything() -> None:
    assert not may_have_unknown_starts(None)


@pytest.mark.parametrize(
    "change", [{"Text": "Other"}, {"key": "a.mp3"}, {"keep_original": True}, {"VoiceId": "Emma"}]
)
def test_only_records_of_unchanged_items_are_kept(change: dict[str, Any]) -> None:
    before = jobs(3)
    (changed,) = jobs(1, **change)
    merged = with_earlier_records([changed, *jobs(3)[1:]], manifest([each.record for each in before]))
    assert merged[0].record is changed.record
    assert [each.record for each in merged[1:]] == [each.record for each in before[1:]]
    assert merged[1].record is before[1].record


def test_a_reset_record_is_as_new() -> None:
    one = delivered(0, unchanged=True)
    one.reason = "gone"
    reset(one)
    assert one == record(0)


class TestSearch:
    def given(self, polly: Polly, status: str, *, exists: bool = True) -> tuple[Recovery, Job, Manifest]:
        (one,) = jobs(1)
        its = manifest([one.record], created=now())
        polly.add(one, its.prefix_of(one.record), status)
        return Recovery(hook(), its, has_output=lambda record, task: exists), one, its

    @pytest.mark.parametrize("status", ["scheduled", "inProgress", "completed"])
    def test_finds_the_synthesis_task_with_the_token(self, polly: Polly, status: str) -> None:
        recovery, one, _ = self.given(polly, status)
        assert recovery.search([one.record])["item-0"]["TaskId"] in polly.tasks

    def test_finds_no_synthesis_task_of_another_token(self, polly: Polly) -> None:
        recovery, one, its = self.given(polly, "failed")
        polly.add(one, manifest([], run_token="x" * 16).prefix_of(one.record))
        assert recovery.search(its.records) == {}

    def test_leaves_out_failed_ones(self, polly: Polly) -> None:
        recovery, one, _ = self.given(polly, "failed")
        assert recovery.search([one.record]) == {}

    def test_leaves_out_completed_ones_without_an_object(self, polly: Polly) -> None:
        recovery, one, _ = self.given(polly, "completed", exists=False)
        assert recovery.search([one.record]) == {}

    def test_prefers_one_that_can_be_adopted(self, polly: Polly) -> None:
        recovery, one, its = self.given(polly, "completed", exists=False)
        running = polly.add(one, its.prefix_of(one.record), "inProgress")
        assert recovery.search([one.record])["item-0"]["TaskId"] == running

    def test_writes_what_it_finds_into_the_records(self, polly: Polly) -> None:
        recovery, one, _ = self.given(polly, "inProgress")
        recovery.find_started([one.record], repeat=False, before_each=lambda: None)
        assert one.record.status == "inProgress"
        assert one.record.task_id in polly.tasks


class TestUpdateRunning:
    def test_writes_statuses_and_resets_what_polly_does_not_know(
        self, polly: Polly, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("airflow_polly_provider.batch.statuses.NOT_FOUND_GRACE_SECONDS", 0.0)
        known, unknown, done = started(0), started(1), delivered(2)
        (one,) = jobs(1)
        known.task_id = polly.add(one, "prefix", "inProgress")
        recovery = Recovery(hook(), manifest([], created=now()), has_output=lambda record, task: True)
        recovery.update_running([known, unknown, done])
        assert known.status == "inProgress"
        assert unknown == record(1)
        assert done == delivered(2)


def test_a_denied_list_says_that_nothing_was_started(polly: Polly) -> None:
    recovery = Recovery(hook(), manifest([], created=now()), has_output=lambda record, task: True)
    recovery.validate_may_list()
    polly.refuse_list = Refusal("ServiceFailureException", 500)
    recovery.validate_may_list()
    polly.refuse_list = Refusal("AccessDeniedException", 403)
    with pytest.raises(PollyConfigurationError, match="Nothing was started"):
        recovery.validate_may_list()
