"""Whole tries of a batch: with an account of Polly and a bucket in memory."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from airflow_polly_provider.batch import monitor, recovery
from airflow_polly_provider.batch.manifest import ENDED, STARTING, WAITING
from airflow_polly_provider.batch.run import BatchSettings, begin, resume
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyError,
    PollyManifestReplacedError,
)
from airflow_polly_provider.start import task_search
from airflow_polly_provider.start.current_run import CurrentRun
from airflow_polly_provider.wait.schedule import Schedule
from tests.unit.batch.engine import (
    MANIFEST,
    S3_PARAMETERS,
    Bucket,
    Polly,
    hook,
    item,
    key_of,
    own_threads,
    s3_access,
    saved_in,
    store_in,
)
from tests.unit.batch.fake_s3 import refusal
from tests.unit.batch.records import RUN, RUN_TOKEN
from tests.unit.support import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.batch.run import BatchRun
    from tests.unit.support import Wire

CLEARED = "cleared" + RUN_TOKEN[7:]
BEGAN = "2026-11-27T00:00:01.250000+00:00"
DENIED = Refusal("AccessDeniedException", 403, "not allowed")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "START_REQUESTS_PER_SECOND": '{"neural": 10000}',
        "STATUS_REQUESTS_PER_SECOND": "10000",
        "START_LOOK_SECONDS": "0",
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__AWS_POLLY__{name}", value)
    monkeypatch.setattr(task_search, "PAGES_PER_SECOND", 10_000.0)
    monkeypatch.setattr(monitor, "_SHORTEST_SAVE_SECONDS", 0.05)
    monkeypatch.setattr("airflow_polly_provider.batch.statuses.NOT_FOUND_GRACE_SECONDS", 0.0)
    monkeypatch.setattr("airflow_polly_provider.batch.manifest_store._WRITE_AGAIN_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _ends_its_threads() -> Iterator[None]:
    yield
    assert own_threads() == []


@pytest.fixture
def polly(wire: Wire) -> Polly:
    return Polly(wire)


@pytest.fixture
def bucket(polly: Polly, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    bucket.install(monkeypatch)
    return bucket


def settings(bucket: Bucket, try_number: int = 1, **given: Any) -> BatchSettings:
    arguments: dict[str, Any] = {
        "hook": hook(),
        "s3": s3_access(),
        "s3_parameters": S3_PARAMETERS,
        "store": store_in(bucket),
        "run_id": RUN,
        "run_token": RUN_TOKEN,
        "run": CurrentRun(BEGAN, datetime.now(tz=UTC) - timedelta(hours=1), try_number),
        "durable": True,
    } | given
    return BatchSettings(**arguments)


def items(count: int = 3, **fields: Any) -> list[BatchItem]:
    return [item(number, **fields) for number in range(count)]


def begin_try(
    bucket: Bucket, given: Sequence[BatchItem] | None = None, try_number: int = 1, **arguments: Any
) -> BatchRun:
    return begin(settings(bucket, try_number, **arguments), items() if given is None else given)


def start(
    bucket: Bucket, given: Sequence[BatchItem] | None = None, try_number: int = 1, **arguments: Any
) -> BatchRun:
    """Run the first half of a try, up to the deferral."""
    with begin_try(bucket, given, try_number, **arguments) as one:
        one.look_back()
        one.start()
    return one


def end(polly: Polly, bucket: Bucket, status: str = "completed", **fields: Any) -> None:
    """Let Polly end everything that runs, and write the objects of what completes."""
    ending = [task for task in polly.tasks.values() if task["TaskStatus"] == "scheduled"]
    polly.end(status, **fields)
    if status == "completed":
        bucket.add(*(key_of(task["OutputUri"]) for task in ending))


def finish(bucket: Bucket, one: BatchRun, **arguments: Any) -> BatchRun:
    """Run the second half of a try, after the deferral."""
    with resume(settings(bucket, **arguments), one.manifest_etag) as resumed:
        resumed.finish()
    return resumed


def deliver(polly: Polly, bucket: Bucket, given: Sequence[BatchItem] | None = None) -> BatchRun:
    started = start(bucket, given)
    end(polly, bucket)
    return finish(bucket, started)


def seen(one: BatchRun) -> list[tuple[str, bool]]:
    return [(record.status, record.finished) for record in one.manifest.records]


DONE = ("completed", True)


class TestFirstTry:
    def test_starts_all_and_waits(self, polly: Polly, bucket: Bucket) -> None:
        one = start(bucket)
        assert one.running == 3
        assert sorted(polly.started) == ["Text 0", "Text 1", "Text 2"]
        saved = saved_in(bucket)
        assert saved == one.manifest
        assert saved.phase == WAITING
        assert {record.task_id for record in saved.records} == set(polly.tasks)
        for record in saved.records:
            assert key_of(record.output_uri).startswith(f"{saved.prefix_of(record)}.")

    def test_saves_the_manifest_before_the_first_start(self, polly: Polly, bucket: Bucket) -> None:
        saved: list[str] = []

        def refuse(text: str) -> None:
            saved.append(saved_in(bucket).phase)

        polly.refuse = refuse
        start(bucket)
        assert saved == [STARTING] * 3

    def test_starts_nothing_if_the_manifest_cannot_be_saved(self, polly: Polly, bucket: Bucket) -> None:
        bucket.before = lambda method, key: refusal(403, "AccessDenied") if method == "PUT" else None
        with pytest.raises(PollyConfigurationError):
            start(bucket)
        assert polly.asked == []

    def test_starts_nothing_if_a_retry_could_not_search(self, polly: Polly, bucket: Bucket) -> None:
        polly.refuse_list = DENIED
        with pytest.raises(PollyConfigurationError, match=r"Nothing was started.*durable=False"):
            start(bucket)
        assert polly.asked == []

    def test_needs_no_list_if_it_is_not_durable(self, polly: Polly, bucket: Bucket) -> None:
        polly.refuse_list = DENIED
        one = start(bucket, durable=False)
        assert one.running == 3
        for record in one.manifest.records:
            assert key_of(record.output_uri).startswith(f"{record.prefix}.")

    def test_looking_back_changes_nothing(self, polly: Polly, bucket: Bucket) -> None:
        with begin_try(bucket) as one:
            one.look_back()
            assert len(one.to_start) == 3
        assert bucket.objects == {}
        assert polly.wire.requests == []

    def test_finishes_after_the_deferral(self, polly: Polly, bucket: Bucket) -> None:
        one = deliver(polly, bucket)
        assert seen(one) == [DONE] * 3
        assert [record.seconds for record in one.manifest.records] == [3.0] * 3
        assert saved_in(bucket).phase == ENDED

    def test_copies_objects_to_their_keys(self, polly: Polly, bucket: Bucket) -> None:
        given = [item(0, key="speech/0.mp3"), item(1), item(2, key="speech/2.mp3", keep_original=True)]
        one = deliver(polly, bucket, given)
        assert seen(one) == [DONE] * 3
        originals = [key_of(task["OutputUri"]) for task in polly.tasks.values()]
        assert [key_of(record.output_uri) for record in one.manifest.records][::2] == [
            "speech/0.mp3",
            "speech/2.mp3",
        ]
        audio = set(bucket.objects) - {MANIFEST.key}
        kept = {key for key in originals if polly.tasks[key.split(".")[-2]]["_text"] != "Text 0"}
        assert audio == {"speech/0.mp3", "speech/2.mp3", *kept}

    def test_notes_failed_items(self, polly: Polly, bucket: Bucket) -> None:
        one = start(bucket)
        end(polly, bucket, "failed", TaskStatusReason="no voice")
        one = finish(bucket, one)
        assert {record.status for record in one.manifest.records} == {"failed"}
        assert {record.reason for record in one.manifest.records} == {"no voice"}
        assert saved_in(bucket).phase == ENDED

    def test_waits_on_until_all_have_ended(self, polly: Polly, bucket: Bucket) -> None:
        with begin_try(bucket) as one:
            one.look_back()
            one.start()
            end(polly, bucket)
            one.wait(Schedule(0.01), deadline=time.time() + 5)
            assert one.running == 0
            one.finish()
        assert seen(one) == [DONE] * 3

    def test_waits_no_longer_than_the_deadline(self, polly: Polly, bucket: Bucket) -> None:
        with begin_try(bucket) as one:
            one.look_back()
            one.start()
            one.wait(Schedule(0.05), deadline=time.time() + 0.1)
            one.finish()
        assert one.running == 3
        assert saved_in(bucket).phase == WAITING


class TestResume:
    def test_of_a_manifest_that_another_try_wrote_is_an_error(self, polly: Polly, bucket: Bucket) -> None:
        one = start(bucket)
        etag = one.manifest_etag
        store = store_in(bucket)
        changed = store.load()
        assert changed is not None
        changed.phase = ENDED
        store.save(changed)
        with pytest.raises(PollyManifestReplacedError):
            resume(settings(bucket), etag)

    def test_of_a_manifest_of_another_task_is_an_error(self, polly: Polly, bucket: Bucket) -> None:
        one = start(bucket)
        other = RUN._replace(task_id="other")
        with pytest.raises(PollyError, match="not the manifest of this task"):
            resume(settings(bucket, run_id=other), one.manifest_etag)


class TestError:
    def test_saves_what_was_started(self, polly: Polly, bucket: Bucket) -> None:
        polly.refuse = lambda text: DENIED if text == "Text 2" else None
        with pytest.raises(PollyConfigurationError):
            start(bucket)
        saved = saved_in(bucket)
        assert {record.task_id for record in saved.records} - {None} == set(polly.tasks)
        assert len(polly.tasks) == 2
        assert saved.phase == STARTING

    def test_of_a_replaced_manifest_overwrites_nothing(self, polly: Polly, bucket: Bucket) -> None:
        def take_over(text: str) -> None:
            bucket.objects[MANIFEST.key] = b"another try"

        polly.refuse = take_over
        with pytest.raises(PollyManifestReplacedError):
            start(bucket)
        assert bucket.objects[MANIFEST.key] == b"another try"


class TestRetry:
    def test_starts_only_what_is_missing(self, polly: Polly, bucket: Bucket) -> None:
        polly.refuse = lambda text: DENIED if text == "Text 2" else None
        with pytest.raises(PollyConfigurationError):
            start(bucket)
        polly.refuse = lambda text: None
        one = start(bucket, try_number=2)
        assert sorted(polly.started) == ["Text 0", "Text 1", "Text 2"]
        assert one.running == 3

    def test_adopts_starts_that_the_manifest_does_not_contain(self, polly: Polly, bucket: Bucket) -> None:
        def lost_worker(text: str) -> None:
            bucket.before = lambda method, key: ReadTimeoutError(endpoint_url="") if method == "PUT" else None

        polly.refuse = lost_worker
        with pytest.raises(ReadTimeoutError):
            start(bucket)
        assert {record.task_id for record in saved_in_again(bucket).records} == {None}
        assert len(polly.tasks) == 3
        polly.refuse = lambda text: None
        one = start(bucket, try_number=2)
        assert len(polly.tasks) == 3
        assert {record.task_id for record in one.manifest.records} == set(polly.tasks)

    def test_starts_failed_items_again(self, polly: Polly, bucket: Bucket) -> None:
        started = start(bucket)
        first = next(iter(polly.tasks.values()))
        first.update(TaskStatus="failed", TaskStatusReason="no voice")
        end(polly, bucket)
        finish(bucket, started)
        one = start(bucket, try_number=2)
        assert polly.started[3:] == [first["_text"]]
        assert one.running == 1
        assert all(record.reason is None for record in one.manifest.records)

    def test_starts_changed_items_again_and_no_others(self, polly: Polly, bucket: Bucket) -> None:
        start(bucket)
        changed = [item(0), item(1, Text="Other text"), item(2)]
        one = start(bucket, changed, try_number=2)
        assert polly.started[3:] == ["Other text"]
        assert one.running == 3

    def test_starts_added_items_and_forgets_removed_ones(self, polly: Polly, bucket: Bucket) -> None:
        start(bucket)
        one = start(bucket, [item(1), item(7)], try_number=2)
        assert polly.started[3:] == ["Text 7"]
        assert [record.id for record in saved_in(bucket).records] == ["item-1", "item-7"]
        assert one.running == 2

    def test_starts_nothing_again_that_runs(self, polly: Polly, bucket: Bucket) -> None:
        start(bucket)
        one = start(bucket, try_number=2)
        assert len(polly.asked) == 3
        end(polly, bucket)
        assert seen(finish(bucket, one)) == [DONE] * 3

    def test_starts_items_that_polly_no_longer_knows(self, polly: Polly, bucket: Bucket) -> None:
        start(bucket)
        polly.tasks.clear()
        start(bucket, try_number=2)
        assert len(polly.tasks) == 3

    def test_searches_only_if_items_are_missing(self, polly: Polly, bucket: Bucket) -> None:
        deliver(polly, bucket)
        polly.wire.requests.clear()
        # The same token and a delivered batch: a retry after an error of the delivery.
        start(bucket, try_number=2)
        assert polly.wire.requests == []

    def test_repeats_the_search_only_after_an_unfinished_start(
        self, polly: Polly, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        repeats: list[bool] = []
        find = recovery.Recovery.find_started

        def spy(self: Any, records: Any, *, repeat: bool, before_each: Any) -> None:
            repeats.append(repeat)
            find(self, records, repeat=repeat, before_each=before_each)

        monkeypatch.setattr(recovery.Recovery, "find_started", spy)
        polly.refuse = lambda text: DENIED if text == "Text 2" else None
        with pytest.raises(PollyConfigurationError):
            start(bucket)
        assert repeats == []
        polly.refuse = lambda text: None
        start(bucket, try_number=2)
        assert repeats == [True]
        end(polly, bucket, "failed")
        start(bucket, try_number=3)
        assert repeats == [True, False]

    def test_continues_the_copy_of_an_object_without_a_new_start(self, polly: Polly, bucket: Bucket) -> None:
        given = [item(0, key="0.mp3"), item(1, key="1.mp3")]
        started = start(bucket, given)
        end(polly, bucket)
        bucket.before = lambda method, key: (
            refusal(403, "AccessDenied") if (method, key) == ("PUT", "1.mp3") else None
        )
        one = finish(bucket, started)
        assert seen(one) == [DONE, ("completed", False)]
        assert "s3:PutObject" in str(one.manifest.records[1].reason)
        bucket.before = lambda method, key: None
        with begin_try(bucket, given, try_number=2) as again:
            again.look_back()
            again.start()
            again.finish()
        assert seen(again) == [DONE] * 2
        assert again.manifest.records[1].reason is None
        assert key_of(again.manifest.records[1].output_uri) == "1.mp3"
        assert len(polly.asked) == 2

    def test_starts_an_item_again_whose_object_was_removed(self, polly: Polly, bucket: Bucket) -> None:
        one = deliver(polly, bucket)
        removed = one.manifest.records[1]
        del bucket.objects[key_of(removed.output_uri)]
        start(bucket, try_number=2)
        assert polly.started[3:] == ["Text 1"]

    def test_starts_an_item_again_whose_object_was_removed_before_it_was_copied(
        self, polly: Polly, bucket: Bucket
    ) -> None:
        given = [item(0, key="0.mp3"), item(1, key="1.mp3")]
        started = start(bucket, given)
        end(polly, bucket)
        (lost,) = [task for task in polly.tasks.values() if task["_text"] == "Text 1"]
        del bucket.objects[key_of(lost["OutputUri"])]
        one = finish(bucket, started)
        assert seen(one) == [DONE, ("completed", False)]
        again = start(bucket, given, try_number=2)
        assert polly.started[2:] == ["Text 1"]
        assert again.running == 1


def saved_in_again(bucket: Bucket) -> Any:
    """Return the stored manifest after the bucket's fault has ended."""
    bucket.before = lambda method, key: None
    return saved_in(bucket)


class TestClearedTask:
    def test_starts_everything_again_after_it_was_delivered(self, polly: Polly, bucket: Bucket) -> None:
        deliver(polly, bucket)
        one = start(bucket, try_number=2, run_token=CLEARED)
        assert len(polly.tasks) == 6
        assert saved_in(bucket).run_token == CLEARED
        assert one.running == 3

    def test_continues_with_the_earlier_token_before_that(self, polly: Polly, bucket: Bucket) -> None:
        polly.refuse = lambda text: DENIED if text == "Text 2" else None
        with pytest.raises(PollyConfigurationError):
            start(bucket)
        polly.refuse = lambda text: None
        created = saved_in(bucket).created
        one = start(bucket, try_number=2, run_token=CLEARED)
        assert len(polly.tasks) == 3
        saved = saved_in(bucket)
        assert (saved.run_token, saved.created) == (RUN_TOKEN, created)
        assert one.running == 3


class TestUnchanged:
    def test_items_are_not_started(self, polly: Polly, bucket: Bucket) -> None:
        given = [item(0, key="0.mp3", skip_if_unchanged=True), item(1)]
        deliver(polly, bucket, given)
        del bucket.objects[MANIFEST.key]
        later = CurrentRun("2026-11-28T00:00:00+00:00", datetime.now(tz=UTC), 1)
        one = start(bucket, given, run_id=RUN._replace(run_id="next"), run_token=CLEARED, run=later)
        assert polly.started[2:] == ["Text 1"]
        reused = one.manifest.records[0]
        assert (reused.unchanged, reused.finished, reused.seconds) == (True, True, 3.0)
        assert (reused.request_characters, reused.spoken_characters) == (0, 6)
        assert one.running == 1

    def test_items_with_another_text_are_started(self, polly: Polly, bucket: Bucket) -> None:
        deliver(polly, bucket, [item(0, key="0.mp3", skip_if_unchanged=True)])
        del bucket.objects[MANIFEST.key]
        changed = [item(0, key="0.mp3", skip_if_unchanged=True, Text="Other text")]
        run_id = RUN._replace(run_id="next")
        start(bucket, changed, run_id=run_id, run_token=CLEARED)
        assert polly.started[1:] == ["Other text"]

    def test_objects_that_cannot_be_checked_are_an_error_before_the_start(
        self, polly: Polly, bucket: Bucket
    ) -> None:
        bucket.before = lambda method, key: refusal(403, "AccessDenied") if method == "HEAD" else None
        with pytest.raises(PollyConfigurationError, match="no synthesis task was started"):
            start(bucket, items(2, key="a.mp3", skip_if_unchanged=True))
        assert polly.asked == []
