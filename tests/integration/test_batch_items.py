"""The sources of a batch's items in whole DAGs: lists, upstream tasks, templates and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import ObjectStoragePath, task
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from tests.integration.batch_support import (
    CHARACTERS,
    IDS,
    ITEMS,
    TASK,
    batch_arguments,
    batch_dag,
    result_of,
    starts,
)
from tests.integration.dag_builder import IN_WORKER, NO_WAIT, START, new_dag

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

pytestmark = pytest.mark.usefixtures("short_waits")

FILES = {
    "items.json": json.dumps(ITEMS),
    "items.jsonl": "\n".join(map(json.dumps, ITEMS)),
    "items.csv": "id,text,engine\none,One zebra.,\ntwo,Two quiet zebras.,\n,Three.,standard\n",
}
each_file = pytest.mark.parametrize("name", list(FILES))


@pytest.fixture
def polly(emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator without audio, with an empty bucket and without tasks of earlier tests."""
    emulator.reset()
    return emulator


def assert_starts_the_items(polly: RunningEmulator, run: FinishedRun) -> None:
    value = result_of(run)
    assert [item["Id"] for item in value["Items"]] == IDS
    assert (value["RequestCharacters"], starts(polly)) == (CHARACTERS, 3)


class TestUpstreamTask:
    def test_may_return_the_list(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        with new_dag("upstream") as dag:

            @task
            def texts() -> list[dict[str, str]]:
                return ITEMS

            PollySynthesizeBatchOperator(**batch_arguments(polly, items=texts(), **NO_WAIT))
        assert_starts_the_items(polly, run_dag(dag))

    def test_may_be_mapped(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        with new_dag("mapped") as dag:

            @task
            def text_of(item: dict[str, str]) -> dict[str, str]:
                return item

            mapped = text_of.expand(item=ITEMS)
            PollySynthesizeBatchOperator(**batch_arguments(polly, items=mapped, **NO_WAIT))
        assert_starts_the_items(polly, run_dag(dag))

    def test_without_a_value_is_an_error(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        with new_dag("nothing") as dag:

            @task
            def texts() -> Any:
                return None

            PollySynthesizeBatchOperator(**batch_arguments(polly, items=texts(), retries=2))
        run = run_dag(dag)
        assert run.task(TASK) == ("failed", 1), run.output
        assert "The upstream task returned no value" in run.output
        assert polly.counters.calls(START) == 0


class TestTemplate:
    @pytest.mark.parametrize(
        "template", ["{{ dag_run.conf['items'] }}", "{{ dag_run.conf['items'] | tojson }}"]
    )
    @pytest.mark.parametrize("native", [True, False], ids=["native", "text"])
    def test_renders_to_the_items(
        self, polly: RunningEmulator, run_dag: RunDag, template: str, native: bool
    ) -> None:
        with new_dag("template", render_template_as_native_obj=native) as dag:
            PollySynthesizeBatchOperator(**batch_arguments(polly, items=template, **NO_WAIT))
        assert_starts_the_items(polly, run_dag(dag, {"items": ITEMS}))

    def test_in_an_item_is_rendered(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        items = [{"id": "{{ ds_nodash }}", "text": "{{ dag_run.conf['name'] }}!"}]
        value = result_of(run_dag(batch_dag(polly, items=items, **NO_WAIT), {"name": "Zebra"}))
        ((item),) = value["Items"]
        assert item["Id"].isdigit()
        assert value["RequestCharacters"] == len("Zebra!")

    def test_that_renders_to_text_is_an_error_that_does_not_quote_it(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        run = run_dag(batch_dag(polly, items="{{ 'Zebras ' * 2 }}only", retries=2))
        assert run.task(TASK) == ("failed", 1), run.output
        assert "items is a string of 18 characters, but neither a JSON list" in run.output
        assert "Zebras Zebras" not in run.output


class TestFile:
    @each_file
    def test_on_the_workers_disk(
        self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_text(FILES[name])
        path = str(tmp_path / "{{ dag_run.conf['name'] }}")
        assert_starts_the_items(polly, run_dag(batch_dag(polly, items=path, **NO_WAIT), {"name": name}))

    @each_file
    def test_in_s3(self, polly: RunningEmulator, run_dag: RunDag, s3: Any, name: str) -> None:
        s3.put_object(Bucket=polly.bucket, Key=f"in/{name}", Body=FILES[name].encode())
        path = f"s3://{polly.bucket}/in/{name}"
        assert_starts_the_items(polly, run_dag(batch_dag(polly, items=path, **NO_WAIT)))

    def test_as_an_object_storage_path(self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Path) -> None:
        (tmp_path / "items.json").write_text(FILES["items.json"])
        path = ObjectStoragePath(f"file://{tmp_path}/items.json")
        assert_starts_the_items(polly, run_dag(batch_dag(polly, items=path, **NO_WAIT)))

    def test_whose_text_names_a_file_is_spoken_literally(
        self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.txt").write_text("The contents of the file, which is long.")
        (tmp_path / "items.csv").write_text("text\nsecret.txt\n{{ 7*7 }}\n")
        dag = batch_dag(polly, items=str(tmp_path / "items.csv"), **IN_WORKER)
        dag.template_searchpath = [str(tmp_path)]
        value = result_of(run_dag(dag))
        texts = ("secret.txt", "{{ 7*7 }}")
        assert [item["RequestCharacters"] for item in value["Items"]] == [len(text) for text in texts]

    def test_that_does_not_exist_is_an_error(
        self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        run = run_dag(batch_dag(polly, items=f"{tmp_path}/missing.json", retries=2))
        assert run.task(TASK) == ("failed", 1), run.output
        assert "missing.json" in run.output
        assert polly.counters.calls(START) == 0

    def test_with_unreadable_lines_is_an_error_that_names_each(
        self, polly: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        lines = [json.dumps(ITEMS[0]), '{"text": "Quiet zebras"', json.dumps({"id": "x"})]
        (tmp_path / "items.jsonl").write_text("\n".join(lines))
        run = run_dag(batch_dag(polly, items=f"{tmp_path}/items.jsonl", retries=2))
        assert run.task(TASK) == ("failed", 1), run.output
        assert "Invalid items: 2 of 3. Nothing was sent" in run.output
        assert "x: text is missing" in run.output
        assert "Quiet zebras" not in run.output
        assert polly.counters.calls(START) == 0
