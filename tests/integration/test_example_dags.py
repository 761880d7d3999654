"""Every example DAG runs unchanged; only the connection and the bucket differ."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.example_dags import FOLDER, dags_in
from tests.unit.support import NEWER_FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

EXAMPLES = sorted(FOLDER.glob("example_*.py"))
NEEDS_MULAW = ("example_polly_batch", "example_polly_phone_prompts")

# A separate provider, only for Airflow 3.
HAS_MESSAGE_QUEUES = find_spec("airflow.providers.common.messaging") is not None


def test_examples_are_found() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_dag_succeeds(
    path: Path,
    speaking_emulator: RunningEmulator,
    run_dag: RunDag,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if path.stem in NEEDS_MULAW and "mulaw" in NEWER_FORMATS:
        pytest.skip("the installed botocore does not support mulaw")
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", speaking_emulator.bucket)
    if HAS_MESSAGE_QUEUES:
        # Any URL works, because dag.test() runs the tasks but not the trigger that listens to the queue.
        monkeypatch.setenv(
            "POLLY_EXAMPLE_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
        )
    dags = dags_in(path)
    assert path.stem in dags
    for dag_id in sorted(dags):
        assert dag_id.startswith(path.stem)
        run = run_dag(dags[dag_id])
        assert run.state == "success", run.output
