"""The result of a batch, made from the records of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch.report import (
    batch_result,
    estimate_result,
    failed_items,
    failure_lines,
    item_of,
    output_s3_uris,
)
from airflow_polly_provider.results import batch
from tests.unit.batch.engine import MANIFEST
from tests.unit.batch.records import delivered, record, started

if TYPE_CHECKING:
    from airflow_polly_provider.batch.manifest import ItemRecord


def undelivered(number: int = 0, reason: str = "S3 denied access") -> ItemRecord:
    return started(number, "completed", reason=reason, request_characters=7)


@pytest.fixture
def _prices(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = '{"standard": 4, "neural": 16}'
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", prices)


class TestTotals:
    def test_count_every_kind_of_item(self) -> None:
        unchanged = delivered(1, unchanged=True)
        unchanged.request_characters = 0
        records = [
            delivered(0),
            unchanged,
            record(2, status="failed", reason="Polly rejected it"),
            undelivered(3),
            started(4, request_characters=1004, spoken_characters=1004),
            record(5),
        ]
        value = batch_result(records, MANIFEST)
        assert value["TotalItems"] == 6
        assert value["CompletedItems"] == 2
        assert value["FailedItems"] == 2
        assert value["UnchangedItems"] == 1
        assert value["RequestCharacters"] == 1000 + 0 + 7 + 1004
        assert value["SpokenCharacters"] == 1000 + 1001 + 1004
        assert value["DurationSeconds"] == round(61.488 + 61.613, 3)
        assert value["ManifestS3Uri"] == MANIFEST.uri

    def test_have_no_duration_if_none_is_known(self) -> None:
        one = delivered()
        one.seconds = None
        assert "DurationSeconds" not in batch_result([one], MANIFEST)

    def test_have_no_cost_without_prices(self) -> None:
        value = batch_result([delivered()], MANIFEST)
        assert "EstimatedCost" not in value
        assert "EstimatedCost" not in value["Items"][0]

    @pytest.mark.usefixtures("_prices")
    def test_add_up_the_costs_of_different_engines(self) -> None:
        value = batch_result([delivered(0, engine="neural"), delivered(1, engine=None)], MANIFEST)
        assert value["EstimatedCost"] == pytest.approx(1000 * 16e-6 + 1001 * 4e-6)
        assert [each["EstimatedCost"] for each in value["Items"]] == pytest.approx([0.016, 0.004004])

    @pytest.mark.usefixtures("_prices")
    def test_have_no_cost_if_an_engine_has_no_price(self) -> None:
        value = batch_result([delivered(0), delivered(1, engine="generative")], MANIFEST)
        assert "EstimatedCost" not in value
        assert [("EstimatedCost" in each) for each in value["Items"]] == [True, False]


class TestManifestUri:
    def test_has_the_form_of_the_output_uris(self) -> None:
        value = batch_result([record(0), delivered(1)], MANIFEST)
        assert value["ManifestUri"] == "https://s3.eu-west-1.amazonaws.com/my-bucket/manifest.json"

    def test_is_absent_if_no_object_is_in_the_manifests_bucket(self) -> None:
        assert "ManifestUri" not in batch_result([record(0)], MANIFEST)
        assert "ManifestUri" not in batch_result([delivered()], S3Location("other", "manifest.json"))


class TestItems:
    def test_have_only_what_is_known(self) -> None:
        one = record()
        assert item_of(one, {}) == {"Id": one.id, "TaskStatus": "notStarted", "RequestCharacters": 0}

    def test_have_both_addresses_of_a_delivered_object(self) -> None:
        one = delivered()
        shown = item_of(one, {})
        assert shown["OutputUri"] == one.output_uri
        assert shown["OutputS3Uri"] == str(one.output_uri).replace(
            "https://s3.eu-west-1.amazonaws.com/", "s3://"
        )
        assert (shown["TaskId"], shown["DurationSeconds"]) == (one.task_id, one.seconds)
        assert "Unchanged" not in shown
        assert "TaskStatusReason" not in shown

    def test_keep_the_given_order(self) -> None:
        value = batch_result([record(3), record(1), record(2)], MANIFEST)
        assert [each["Id"] for each in value["Items"]] == ["chapter-00003", "chapter-00001", "chapter-00002"]

    def test_are_left_out_above_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        records = [delivered(number) for number in range(20)]
        assert len(batch_result(records, MANIFEST)["Items"]) == 20
        monkeypatch.setattr(batch, "MAX_ITEMS_BYTES", 1000)
        value = batch_result(records, MANIFEST)
        assert "Items" not in value
        assert value["TotalItems"] == 20


class TestEstimate:
    def test_counts_what_is_not_started(self) -> None:
        unchanged = delivered(1, unchanged=True)
        unchanged.request_characters = 0
        value = estimate_result([record(0), unchanged])
        assert value["DryRun"] is True
        assert value["RequestCharacters"] == 1000
        assert value["SpokenCharacters"] == 2001
        assert value["UnchangedItems"] == 1
        assert "ManifestS3Uri" not in value


class TestFailures:
    def test_are_items_with_a_reason_that_are_not_finished(self) -> None:
        failed = record(1, status="failed", reason="no voice")
        not_delivered = undelivered(2)
        given = [delivered(0), failed, not_delivered, started(3), record(4)]
        assert failed_items(given) == [failed, not_delivered]

    def test_have_a_line_each(self) -> None:
        lines = failure_lines([undelivered(1, "denied"), undelivered(2, "gone")])
        assert lines == "chapter-00001: denied\nchapter-00002: gone"

    @pytest.mark.parametrize("count", [50, 51, 1250])
    def test_have_at_most_fifty_lines(self, count: int) -> None:
        lines = failure_lines([undelivered(number) for number in range(count)]).split("\n")
        assert len(lines) == min(count, 51)
        if count > 50:
            assert lines[50] == f"… and {count - 50:,} more; the manifest lists all"


def test_written_objects_are_those_of_this_run() -> None:
    mine, unchanged = delivered(0), delivered(1, unchanged=True)
    (uri,) = output_s3_uris([mine, unchanged, undelivered(2), record(3)])
    assert uri.startswith("s3://my-bucket/podcasts/episode/")
    assert str(mine.task_id) in uri
