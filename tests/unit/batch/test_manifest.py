from __future__ import annotations

from airflow_polly_provider.batch.manifest import BatchRunId
from airflow_polly_provider.start.token import TaskRun, batch_item_token
from tests.unit.batch.records import RUN_TOKEN, delivered, digest, manifest, record, started, task_id


def test_the_run_of_a_batch_is_the_same_after_a_clear() -> None:
    first, cleared = (TaskRun("d", "r", "t", 3, max_tries, "n") for max_tries in (0, 2))
    assert BatchRunId.of(first) == BatchRunId.of(cleared) == BatchRunId("d", "r", "t", 3, "n")


def test_unfinished_ids_are_those_of_synthesis_tasks_that_have_not_ended() -> None:
    records = [record(0), started(1), delivered(2), started(3, "inProgress"), started(4, "failed")]
    assert manifest(records).unfinished_ids() == [task_id(1), task_id(3)]


def test_the_prefix_contains_the_items_token_only_if_the_batch_is_durable() -> None:
    item = record(1)
    token = batch_item_token(RUN_TOKEN, item.id, item.digest)
    assert manifest([item]).prefix_of(item) == f"podcasts/episode/{token}"
    assert manifest([item], durable=False).prefix_of(item) == "podcasts/episode/"


def test_records_are_of_the_same_item_only_with_the_same_request_and_key() -> None:
    assert started(1).is_of_same_item(record(1))
    assert not started(1).is_of_same_item(record(1, digest=digest(2)))
    assert not started(1).is_of_same_item(record(1, output_s3_key="a.mp3"))
