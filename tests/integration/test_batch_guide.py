"""The statements in the guide on the batch operator are true on the installed Airflow."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from tests.integration.dag_builder import IN_WORKER, new_dag, output_of

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "batch.md"
TEMPLATE = "{{ 7*7 }}"

pytestmark = pytest.mark.usefixtures("short_waits")


def guide_code(beginning: str) -> str:
    """Return the guide's Python block that contains these words, with imports for the installed Airflow."""
    (code,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        if beginning in block
    )
    return str(code).replace("from airflow.sdk import", "from airflow_polly_provider.compat import")


def batch_arguments(emulator: RunningEmulator, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": "batch",
        "voice_id": "Amy",
        "output_s3_bucket_name": emulator.bucket,
        "poke_interval": 0.2,
        "retries": 0,
        **IN_WORKER,
    } | changes


def test_airflow_cannot_map_over_one_key_of_the_result(emulator: RunningEmulator) -> None:
    with new_dag("key"):
        batch = PollySynthesizeBatchOperator(**batch_arguments(emulator, items=[{"text": "One."}]))

        @task
        def publish(item: dict[str, Any]) -> None:
            """Never runs."""

        with pytest.raises(ValueError, match="cannot map over XCom with custom key"):
            publish.expand(item=output_of(batch)["Items"])


def test_the_guides_tasks_map_over_the_items(emulator: RunningEmulator, run_dag: RunDag) -> None:
    names: dict[str, Any] = {}
    exec(compile(guide_code("def items_of("), str(GUIDE), "exec"), names)
    items = [{"id": "a", "text": "One."}, {"text": "Two."}]
    with new_dag("mapped") as dag:
        batch = PollySynthesizeBatchOperator(**batch_arguments(emulator, items=items))
        names["publish"].expand(item=names["items_of"](output_of(batch)))

    run = run_dag(dag)

    assert run.state == "success", run.output
    uris = [item["OutputS3Uri"] for item in run.xcoms("batch")["Items"]]
    published = [run.xcoms("publish", index)["return_value"] for index in range(2)]
    assert published == [f"a: {uris[0]}", f"1: {uris[1]}"]


def test_airflow_renders_items_in_the_dag_but_not_items_of_an_upstream_task(
    emulator: RunningEmulator, run_dag: RunDag
) -> None:
    with new_dag("rendered") as dag:

        @task
        def texts() -> list[dict[str, str]]:
            return [{"text": TEMPLATE}]

        given: Any = texts()
        PollySynthesizeBatchOperator(**batch_arguments(emulator, task_id="upstream", items=given))
        written = [{"text": TEMPLATE}]
        PollySynthesizeBatchOperator(**batch_arguments(emulator, task_id="written", items=written))
        conf = "{{ dag_run.conf['items'] }}"
        PollySynthesizeBatchOperator(**batch_arguments(emulator, task_id="conf", items=conf))

    run = run_dag(dag, conf={"items": [{"text": TEMPLATE}]})

    assert run.state == "success", run.output
    characters = {name: run.xcoms(name)["RequestCharacters"] for name in ("upstream", "written", "conf")}
    assert characters == {"upstream": len(TEMPLATE), "written": len("49"), "conf": len(TEMPLATE)}


def test_a_mapped_batch_has_a_manifest_for_each_instance(
    emulator: RunningEmulator, run_dag: RunDag, s3: Any
) -> None:
    emulator.reset()
    names: dict[str, Any] = {}
    s3.create_bucket(Bucket="my-audio")
    s3.create_bucket(Bucket="my-texts")
    for number in (1, 2):
        lines = [json.dumps({"text": f"Line {line} of volume {number}."}) for line in range(number)]
        s3.put_object(Bucket="my-texts", Key=f"volume-{number}.jsonl", Body="\n".join(lines).encode())
    with new_dag("volumes", default_args={"retries": 0}) as dag:
        exec(compile(guide_code(".expand(items="), str(GUIDE), "exec"), names)

    run = run_dag(dag)

    assert run.state == "success", run.output
    results = [run.xcoms("volumes", index)["return_value"] for index in (0, 1)]
    assert [result["CompletedItems"] for result in results] == [1, 2]
    manifests = {result["ManifestS3Uri"] for result in results}
    assert len(manifests) == 2
    for uri in manifests:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["Phase"] == "ended"
