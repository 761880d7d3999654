"""The batch operator in whole DAGs against the emulator: modes, results, retries, checks."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest
from airflow.providers.common.compat.lineage import hook as airflows_lineage

from airflow_polly_provider.compat import Asset, AssetAlias
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from airflow_polly_provider.results.batch import BATCH_XCOM_KEYS
from airflow_polly_provider.results.lineage import BATCH_EVENT_EXTRA_KEYS
from tests.integration.asset_runs import activate, events_of
from tests.integration.batch_support import (
    CHARACTERS,
    IDS,
    ITEMS,
    MANIFEST,
    TASK,
    batch_arguments,
    batch_dag,
    by_id,
    content,
    keys,
    manifest_of,
    result_of,
    started_tasks,
    starts,
    totals,
)
from tests.integration.conftest import prepare
from tests.integration.dag_builder import (
    DEFERRED,
    IN_WORKER,
    NO_WAIT,
    START,
    each_mode,
    each_waiting_mode,
    new_dag,
)
from tests.integration.dag_runs import EMULATOR_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag
    from tests.integration.s3_calls import S3Calls

PRICES = "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS"
HOUR = 3600.0
REASON = "The synthesis ran out of zebras"
KEPT = [
    {"id": "kept", "text": "Kept.", "output_s3_key": "site/kept.mp3"},
    {"id": "also", "text": "Also kept.", "output_s3_key": "site/also.mp3"},
]

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def polly(emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator without audio, with an empty bucket and without tasks of earlier tests."""
    emulator.reset()
    VOICE_CACHE.clear()
    return emulator


@pytest.fixture
def speaking(tone_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return the emulator with audio, with an empty bucket and without tasks of earlier tests."""
    prepare(tone_emulator, monkeypatch).reset()
    return tone_emulator


def assert_sends_nothing(polly: RunningEmulator, run: FinishedRun) -> None:
    """Check that a run failed in its first try, without a start and without an object in the bucket."""
    assert run.task(TASK) == ("failed", 1), run.output
    assert (polly.counters.calls(START), keys(polly)) == (0, [])
    assert set(run.xcoms(TASK)) == {"ErrorMessage"}


class TestModes:
    @each_mode
    def test_pushes_totals_and_items_in_order(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PRICES, '{"standard": 4}')
        run = run_dag(batch_dag(polly, **mode))
        value = result_of(run)
        completed, status = (0, "scheduled") if mode == NO_WAIT else (3, "completed")
        assert totals(value) == (3, completed, 0, 0)
        assert (value["RequestCharacters"], value["SpokenCharacters"]) == (CHARACTERS, CHARACTERS)
        assert value["EstimatedCost"] == round(CHARACTERS * 4 / 1e6, 6)
        assert [item["Id"] for item in value["Items"]] == IDS
        assert {item["TaskStatus"] for item in value["Items"]} == {status}
        texts = [item["text"] for item in ITEMS]
        assert [item["RequestCharacters"] for item in value["Items"]] == [len(text) for text in texts]
        started = {each["TaskId"]: each for each in started_tasks(polly)}
        assert sorted(started) == sorted(item["TaskId"] for item in value["Items"])
        for item in value["Items"]:
            assert item["OutputUri"] == started[item["TaskId"]]["OutputUri"]
            assert item["OutputS3Uri"].startswith(f"s3://{polly.bucket}/audio/")
        assert keys(polly) == [value["ManifestS3Uri"].removeprefix(f"s3://{polly.bucket}/")]
        assert value["ManifestUri"].endswith(f"/{polly.bucket}/{keys(polly)[0]}")
        own = {key: value[key] for key in BATCH_XCOM_KEYS if key in value}
        connection = {"AwsConnection": EMULATOR_CONNECTION}
        assert run.xcoms(TASK) == {**own, **connection, "return_value": value}
        assert starts(polly) == 3

    @each_waiting_mode
    def test_delivers_items_with_their_own_settings(
        self, speaking: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        items = [
            {"id": "plain", "text": "Plain."},
            {"id": "neural", "text": "Neural.", "voice_id": "Olivia", "engine": "neural"},
            {"id": "ogg", "text": "<speak>Ogg</speak>", "text_type": "ssml", "output_format": "ogg_vorbis"},
            {"id": "named", "text": "Named.", "output_s3_key": "site/named.mp3", "keep_original": True},
            {
                "id": "wav",
                "text": "Wave.",
                "output_format": "pcm",
                "output_container": "wav",
                "output_s3_key": "site/named.wav",
                "output_s3_key_prefix": "originals/",
            },
        ]
        value = result_of(run_dag(batch_dag(speaking, items=items, **mode)))
        assert totals(value) == (5, 5, 0, 0)
        given = {
            each["TaskId"]: (each["VoiceId"], each["OutputFormat"], each.get("Engine", "standard"))
            for each in started_tasks(speaking)
        }
        found = by_id(value)
        assert {name: given[item["TaskId"]] for name, item in found.items()} == {
            "plain": ("Amy", "mp3", "standard"),
            "neural": ("Olivia", "mp3", "neural"),
            "ogg": ("Amy", "ogg_vorbis", "standard"),
            "named": ("Amy", "mp3", "standard"),
            "wav": ("Amy", "pcm", "standard"),
        }
        place = f"s3://{speaking.bucket}/site/named"
        assert [found[name]["OutputS3Uri"] for name in ("named", "wav")] == [f"{place}.mp3", f"{place}.wav"]
        assert content(speaking, f"{place}.wav")[:4] == b"RIFF"
        assert content(speaking, f"{place}.mp3") == next(
            content(speaking, f"s3://{speaking.bucket}/{key}")
            for key in keys(speaking)
            if key.startswith("audio/") and found["named"]["TaskId"] in key
        )
        assert not [key for key in keys(speaking) if key.startswith("originals/")]
        for item in value["Items"]:
            assert content(speaking, item["OutputS3Uri"])
            assert ("DurationSeconds" in item) == (item["Id"] != "ogg")
        seconds = sum(item.get("DurationSeconds", 0.0) for item in value["Items"])
        assert value["DurationSeconds"] == pytest.approx(seconds, abs=0.005)

    def test_can_be_mapped(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        arguments = batch_arguments(polly, **DEFERRED)
        del arguments["items"]
        with new_dag("mapped") as dag:
            PollySynthesizeBatchOperator.partial(**arguments).expand(items=[ITEMS[:2], ITEMS[2:]])
        run = run_dag(dag)
        values = [result_of(run, map_index=index) for index in (0, 1)]
        assert [totals(value)[:2] for value in values] == [(2, 2), (1, 1)]
        assert [[item["Id"] for item in value["Items"]] for value in values] == [["one", "two"], ["0"]]
        assert len({value["ManifestS3Uri"] for value in values}) == 2
        assert starts(polly) == 3

    def test_texts_are_in_no_xcom_log_or_manifest(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        items = [*ITEMS, {"id": "bad", "text": "<speak><zebra>Stripes</zebra></speak>", "text_type": "ssml"}]
        run = run_dag(batch_dag(polly, items=items, on_item_failure="continue", **DEFERRED))
        value = result_of(run)
        assert totals(value)[1:3] == (3, 1)
        manifest = content(polly, value["ManifestS3Uri"]).decode()
        for words in ("One zebra", "Two quiet zebras", "Three.", "Stripes"):
            assert not run.is_stored(words, "xcom")
            assert words not in run.output
            assert words not in manifest


class TestSkipIfUnchanged:
    @each_waiting_mode
    def test_second_run_starts_nothing(
        self, speaking: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        dag = batch_dag(speaking, items=KEPT, skip_if_unchanged=True, **mode)
        first = result_of(run_dag(dag))
        assert (totals(first), starts(speaking)) == ((2, 2, 0, 0), 2)
        speaking.counters.reset()
        speaking.faults.deny("*")
        again = result_of(run_dag(dag))
        assert totals(again) == (2, 2, 0, 2)
        assert speaking.counters.snapshot() == {}
        assert (again["RequestCharacters"], again["SpokenCharacters"]) == (0, first["SpokenCharacters"])
        assert again["DurationSeconds"] == first["DurationSeconds"]
        for name, item in by_id(again).items():
            assert (item["Unchanged"], item["RequestCharacters"], item["TaskStatus"]) == (
                True,
                0,
                "completed",
            )
            assert item["OutputS3Uri"] == by_id(first)[name]["OutputS3Uri"]

    def test_only_the_item_whose_text_changed_is_started(
        self, speaking: RunningEmulator, run_dag: RunDag
    ) -> None:
        given: dict[str, Any] = {"skip_if_unchanged": True, "max_total_request_characters": 20, **IN_WORKER}
        result_of(run_dag(batch_dag(speaking, items=KEPT, **given)))
        changed = [KEPT[0], {**KEPT[1], "text": "This has changed."}]
        value = result_of(run_dag(batch_dag(speaking, items=changed, **given)))
        assert [item.get("Unchanged", False) for item in value["Items"]] == [True, False]
        assert (value["RequestCharacters"], starts(speaking)) == (len("This has changed."), 3)


class TestFailedItem:
    @each_waiting_mode
    def test_fails_the_task_after_the_others_are_delivered(
        self, speaking: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        speaking.faults.add(START, fail_task=REASON)
        items = [KEPT[0], *ITEMS[:2]]
        run = run_dag(batch_dag(speaking, items=items, **mode))
        assert run.task(TASK) == ("failed", 1)
        assert "1 of 3 items failed. The others are delivered" in run.output
        xcoms = run.xcoms(TASK)
        assert totals(xcoms) == (3, 2, 1, 0)
        (failed,) = (item for item in xcoms["Items"] if item["TaskStatus"] == "failed")
        assert failed["TaskStatusReason"] == REASON
        assert f"{failed['Id']}: {REASON}" in run.output
        assert "return_value" not in xcoms
        assert xcoms["ErrorMessage"].endswith(f"{failed['Id']}: {REASON}")
        assert xcoms["AwsConnection"] == EMULATOR_CONNECTION

    @each_waiting_mode
    def test_is_the_only_one_that_a_retry_starts(
        self, speaking: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        speaking.faults.add(START, fail_task=REASON)
        run = run_dag(batch_dag(speaking, items=[KEPT[0], *ITEMS[:2]], retries=1, **mode))
        value = result_of(run, tries=2)
        assert (totals(value), starts(speaking)) == ((3, 3, 0, 0), 4)
        (failed,) = (each for each in started_tasks(speaking) if each["TaskStatus"] == "failed")
        assert failed["TaskId"] not in {item["TaskId"] for item in value["Items"]}
        assert all("TaskStatusReason" not in item for item in value["Items"])

    def test_with_continue_the_task_succeeds(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        polly.faults.add(START, fail_task=REASON)
        run = run_dag(batch_dag(polly, on_item_failure="continue", retries=1, **DEFERRED))
        assert totals(result_of(run)) == (3, 2, 1, 0)
        assert "1 items failed" in run.output
        assert REASON in run.output

    @each_mode
    def test_may_be_rejected_by_polly(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        bad = {"id": "bad", "text": "<speak><zebra>Stripes</zebra></speak>", "text_type": "ssml"}
        run = run_dag(batch_dag(polly, items=[bad, *ITEMS], on_item_failure="continue", **mode))
        value = result_of(run)
        assert totals(value)[::2] == (4, 1)
        item = by_id(value)["bad"]
        assert (item["TaskStatus"], item["RequestCharacters"], "TaskId" in item) == ("failed", 0, False)
        assert "InvalidSsmlException" in item["TaskStatusReason"]
        assert value["RequestCharacters"] == CHARACTERS

    def test_whose_copy_is_denied_is_delivered_by_a_retry_and_paid_once(
        self, speaking: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("CopyObject")

        def allow(context: Any) -> None:
            s3_calls.denied.clear()

        given: dict[str, Any] = {"items": KEPT, "retries": 1, "on_retry_callback": allow}
        run = run_dag(batch_dag(speaking, **given, **IN_WORKER))
        value = result_of(run, tries=2)
        assert "s3:PutObject on output_s3_key" in run.output
        assert (totals(value), starts(speaking)) == ((2, 2, 0, 0), 2)
        assert {item["OutputS3Uri"] for item in value["Items"]} == {
            f"s3://{speaking.bucket}/site/{name}.mp3" for name in ("kept", "also")
        }


@pytest.fixture(scope="module")
def slow_emulator() -> Iterator[RunningEmulator]:
    """Run an emulator whose synthesis tasks end only when a test sets its clock forward."""
    with running_emulator(audio="none", scheduled_seconds=0.05, in_progress_seconds=HOUR) as emulator:
        yield emulator


@pytest.fixture
def slow(slow_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return the slow emulator, which sets its clock forward just before the second start."""
    prepare(slow_emulator, monkeypatch).reset()
    # The response to the first start arrives before the second start is sent.
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", '{"standard": 2}')
    count = itertools.count(1)

    def advance(**_: Any) -> None:
        if next(count) == 2:
            slow_emulator.advance_clock(HOUR + 1)

    handlers = [*botocore.handlers.BUILTIN_HANDLERS, (f"before-call.polly.{START}", advance)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    return slow_emulator


class TestTimeout:
    @each_waiting_mode
    def test_delivers_what_completed(
        self, slow: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(batch_dag(slow, items=ITEMS[:2], timeout=1, on_item_failure="continue", **mode))
        assert run.task(TASK) == ("failed", 1)
        assert "1 of 2 synthesis tasks have not ended: timeout passed" in run.output
        xcoms = run.xcoms(TASK)
        assert totals(xcoms) == (2, 1, 0, 0)
        assert [item["TaskStatus"] for item in xcoms["Items"]] == ["completed", "inProgress"]
        assert manifest_of(slow, xcoms)["Phase"] == "waiting"

    @each_waiting_mode
    def test_is_followed_by_a_retry_that_waits_for_the_same_synthesis_tasks(
        self, slow: RunningEmulator, run_dag: RunDag, s3: Any, mode: dict[str, Any]
    ) -> None:
        def finish(context: Any) -> None:
            slow.advance_clock(HOUR + 1)
            for each in started_tasks(slow):
                key = each["OutputUri"].partition(f"{slow.bucket}/")[2]
                s3.put_object(Bucket=slow.bucket, Key=key, Body=b"speech")

        given: dict[str, Any] = {"timeout": 1, "retries": 1, "on_retry_callback": finish}
        value = result_of(run_dag(batch_dag(slow, items=ITEMS[:2], **given, **mode)), tries=2)
        assert (totals(value), starts(slow)) == ((2, 2, 0, 0), 2)


class TestDryRun:
    def test_starts_and_writes_nothing(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PRICES, '{"standard": 4}')
        outlets = [Asset(uri="s3://audio/batch")]
        dag = batch_dag(polly, items=[*KEPT, *ITEMS], dry_run=True, outlets=outlets, **DEFERRED)
        activate(dag)
        run = run_dag(dag)
        value = result_of(run)
        characters = CHARACTERS + len("Kept.Also kept.")
        assert value["DryRun"] is True
        assert totals(value) == (5, 0, 0, 0)
        assert (value["RequestCharacters"], value["EstimatedCost"]) == (characters, characters * 4 / 1e6)
        assert {item["TaskStatus"] for item in value["Items"]} == {"notStarted"}
        assert "Dry run: 5 items would be started" in run.output
        assert (polly.counters.calls(START), keys(polly), events_of(dag.dag_id)) == (0, [], [])

    def test_counts_only_items_that_are_not_unchanged(
        self, speaking: RunningEmulator, run_dag: RunDag
    ) -> None:
        result_of(run_dag(batch_dag(speaking, items=KEPT[:1], **IN_WORKER)))
        before = keys(speaking)
        run = run_dag(batch_dag(speaking, items=KEPT, skip_if_unchanged=True, dry_run="{{ 1 == 1 }}"))
        value = result_of(run)
        assert (totals(value), value["RequestCharacters"]) == ((2, 1, 0, 1), len("Also kept."))
        assert (starts(speaking), keys(speaking)) == (1, before)


class TestChecks:
    """Checks of the whole batch. They fail the task without a retry, and before anything is started."""

    def test_list_every_invalid_item_in_one_error(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        items: list[Any] = [
            ITEMS[0],
            {"id": "empty", "text": " "},
            {"id": "rate", "text": "Fast.", "sample_rate": 1},
            {"id": "typo", "text": "Typo.", "voice": "Amy"},
            "Not a mapping",
            {"id": "one", "text": "The same id."},
        ]
        run = run_dag(batch_dag(polly, items=items, retries=2))
        assert_sends_nothing(polly, run)
        assert "Invalid items: 5 of 6. Nothing was sent" in run.output
        for words in (
            "empty: text is empty",
            "rate: sample_rate",
            "typo: Unknown key 'voice'. Did you mean 'voice_id'?",
            "4: An item must be a mapping",
            "one: The item at position 0 has the same id",
        ):
            assert words in run.output
        assert "Not a mapping" not in run.output

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"items": []}, "items is empty"),
            ({"items": [{**each, "output_s3_key": "a.mp3"} for each in ITEMS]}, "has the same output_s3_key"),
            ({"items": KEPT, "wait_for_completion": False}, "Items with output_s3_key: kept, also"),
            ({"items": KEPT, "manifest_s3_key": "site/also.mp3"}, "output_s3_key of item also is the key of"),
            ({"max_total_request_characters": CHARACTERS - 1}, f"Polly would bill {CHARACTERS} characters"),
            ({"max_request_characters": 12}, "two: Polly would bill 17 characters"),
            ({"manifest_s3_key": "{{ '' }}"}, "manifest_s3_key is empty"),
            ({"dry_run": "{{ 'maybe' }}"}, "dry_run rendered to 'maybe'"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_reject_a_batch_before_any_start(
        self, polly: RunningEmulator, run_dag: RunDag, given: dict[str, Any], words: str
    ) -> None:
        run = run_dag(batch_dag(polly, retries=2, **given))
        assert_sends_nothing(polly, run)
        assert words in run.output

    def test_accept_a_batch_with_exactly_the_limit(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        run = run_dag(batch_dag(polly, max_total_request_characters=CHARACTERS, **IN_WORKER))
        assert result_of(run)["RequestCharacters"] == CHARACTERS

    def test_of_voices_name_the_items_and_the_alternatives(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        items = [*ITEMS, {"id": "misspelt", "text": "Hello", "voice_id": "Olivja"}]
        run = run_dag(batch_dag(polly, items=items, check_voice=True, engine="long-form", retries=2))
        assert_sends_nothing(polly, run)
        assert "one, two, 2: voice_id 'Amy' supports the engines" in run.output
        assert "misspelt: voice_id 'Olivja' is not one of the" in run.output
        assert polly.counters.calls("DescribeVoices") >= 1

    def test_of_voices_accept_supported_ones(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        run = run_dag(batch_dag(polly, check_voice=True, engine="neural", **NO_WAIT))
        assert totals(result_of(run))[0] == 3
        assert polly.counters.calls("DescribeVoices") >= 1

    def test_of_the_permission_to_list_come_before_the_first_start(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        polly.faults.deny("ListSpeechSynthesisTasks")
        run = run_dag(batch_dag(polly, retries=2))
        assert run.task(TASK) == ("failed", 1), run.output
        assert "Nothing was started: the account's synthesis tasks cannot be listed" in run.output
        assert polly.counters.calls(START) == 0
        run = run_dag(batch_dag(polly, durable=False, **IN_WORKER))
        assert totals(result_of(run)) == (3, 3, 0, 0)


class TestManifest:
    def test_contains_every_item(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        value = result_of(run_dag(batch_dag(polly, manifest_s3_key=MANIFEST, **DEFERRED)))
        assert value["ManifestS3Uri"].startswith(f"s3://{polly.bucket}/manifests/manual__")
        manifest = manifest_of(polly, value)
        assert manifest["Phase"] == "ended"
        assert [item["Id"] for item in manifest["Items"]] == IDS
        assert [item["TaskId"] for item in manifest["Items"]] == [item["TaskId"] for item in value["Items"]]

    def test_of_another_run_that_has_not_ended_is_refused(
        self, slow: RunningEmulator, run_dag: RunDag
    ) -> None:
        dag = batch_dag(slow, items=ITEMS[:2], manifest_s3_key="batches/fixed.json", timeout=0.5, **IN_WORKER)
        first = run_dag(dag)
        uri = first.xcoms(TASK)["ManifestS3Uri"]
        written = content(slow, uri)
        again = run_dag(dag)
        assert again.task(TASK) == ("failed", 1), again.output
        assert "is the manifest of another batch, which has not ended" in again.output
        assert first.run_id in again.output
        assert (starts(slow), content(slow, uri)) == (2, written)

    def test_of_a_task_that_does_not_wait_has_ended(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        dag = batch_dag(polly, manifest_s3_key="batches/fixed.json", **NO_WAIT)
        values = [result_of(run_dag(dag)) for _ in range(2)]
        assert [manifest_of(polly, values[1])["Phase"], starts(polly)] == ["ended", 6]

    def test_of_another_run_that_has_ended_is_replaced(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        dag = batch_dag(polly, manifest_s3_key="batches/fixed.json", **IN_WORKER)
        values = [result_of(run_dag(dag)) for _ in range(2)]
        assert values[0]["ManifestS3Uri"] == values[1]["ManifestS3Uri"]
        assert starts(polly) == 6
        assert manifest_of(polly, values[1])["Items"][0]["TaskId"] == values[1]["Items"][0]["TaskId"]

    def test_never_replaces_another_object(self, polly: RunningEmulator, run_dag: RunDag, s3: Any) -> None:
        s3.put_object(Bucket=polly.bucket, Key="prices.json", Body=b'{"zebra": 5}')
        run = run_dag(batch_dag(polly, manifest_s3_key="prices.json", retries=2))
        assert run.task(TASK) == ("failed", 1), run.output
        assert "cannot be used as the batch's manifest" in run.output
        assert polly.counters.calls(START) == 0
        assert content(polly, f"s3://{polly.bucket}/prices.json") == b'{"zebra": 5}'

    @pytest.mark.parametrize(
        ("operation", "permission"), [("GetObject", "s3:GetObject"), ("PutObject", "s3:PutObject")]
    )
    def test_that_is_denied_fails_the_task_before_the_first_start(
        self,
        polly: RunningEmulator,
        run_dag: RunDag,
        s3_calls: S3Calls,
        operation: str,
        permission: str,
    ) -> None:
        s3_calls.denied.add(operation)
        run = run_dag(batch_dag(polly, retries=2))
        assert_sends_nothing(polly, run)
        assert f"Allow {permission} on it" in run.output


class TestLineage:
    @each_waiting_mode
    def test_one_asset_event_has_the_totals(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        dag = batch_dag(polly, outlets=[Asset(uri="s3://audio/all"), AssetAlias(name="batches")], **mode)
        activate(dag)
        value = result_of(run_dag(dag))
        extra = {key: value[key] for key in BATCH_EVENT_EXTRA_KEYS if key in value}
        assert (extra["TotalItems"], "Items" in extra) == (3, False)
        events = events_of(dag.dag_id)
        assert [event["extra"] for event in events] == [extra, extra]

    @each_waiting_mode
    def test_collects_the_written_objects(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[str] = []

        class Collector:
            def add_output_asset(self, context: Any, uri: str) -> None:
                written.append(uri)

        monkeypatch.setattr(airflows_lineage, "get_hook_lineage_collector", Collector)
        value = result_of(run_dag(batch_dag(polly, **mode)))
        assert written == [item["OutputS3Uri"] for item in value["Items"]]
