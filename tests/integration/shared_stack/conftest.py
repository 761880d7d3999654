"""One real Airflow for all tests of this folder, with the connection in its metadata database."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.shared_stack.runs import REGION, Runs
from tests.integration.stack_support import EXAMPLE_DAGS, polly_stack
from tests.integration.statsd_listener import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = [
    f"example_polly_{name}"
    for name in (
        "basic",
        "mapped",
        "sensor",
        "output_key",
        "decorator",
        "ssml",
        "synthesize",
        "asset",
        "captions",
    )
]
HAS_OPENLINEAGE = find_spec("airflow.providers.openlineage") is not None
# Airflow 3 itself can fail a task that is resumed early: apache/airflow issues 71580 and 72716.
RETRIES = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2", "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1"}


@pytest.fixture(scope="package")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(EXAMPLE_DAGS / "texts", folder / "texts")
    for dag_id in EXAMPLES:
        shutil.copy(EXAMPLE_DAGS / f"{dag_id}.py", folder)
    shutil.copy(Path(__file__).parent.parent / "dags_cleared" / "cleared.py", folder)
    if HAS_OPENLINEAGE:
        shutil.copy(Path(__file__).parent.parent / "dags_lineage" / "lineage.py", folder)
    return folder


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory, dags_folder: Path) -> Iterator[Runs]:
    """Run all DAGs of this folder at the same time. Yield the ended runs and the Airflow that ran them."""
    dag_ids = [file.stem for file in sorted(dags_folder.glob("*.py"))]
    lineage_file = tmp_path_factory.mktemp("openlineage") / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(lineage_file), "append": True}
    with (
        listening() as metrics,
        polly_stack(
            tmp_path_factory.mktemp("shared"),
            dags_folder=dags_folder,
            emulator_arguments=("--audio", "tone"),
            env={
                **RETRIES,
                **metrics.airflow_settings,
                "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
                "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
                # Each task that reports costs another process.
                "AIRFLOW__OPENLINEAGE__SELECTIVE_ENABLE": "True",
            },
            region=REGION,
            connection_in_database=True,
        ) as stack,
    ):
        triggerer = stack.airflow.components["triggerer"].process()
        ids = stack.airflow.trigger_all({dag_id: {} for dag_id in dag_ids})
        runs = Runs(stack.airflow, stack.endpoint_url, ids, triggerer, metrics, lineage_file)
        runs.states = stack.airflow.wait_for_runs(ids, timeout=400, on_change=runs.note)
        yield runs
