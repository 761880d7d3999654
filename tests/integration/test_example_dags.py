"""Every example DAG runs as it is shipped; only the connection and the bucket differ."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.common.compat.sdk import DAG

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "example_dags").glob("example_*.py"))

# In Airflow 3 alone, and there a provider of its own.
HAS_MESSAGE_QUEUES = find_spec("airflow.providers.common.messaging") is not None


def dags_in(path: Path) -> dict[str, DAG]:
    """The DAGs of a file, as Airflow finds them."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    bag = DagBag(str(path))
    assert bag.import_errors == {}
    dags: dict[str, DAG] = bag.dags
    return dags


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs_to_success(
    path: Path,
    emulator: RunningEmulator,
    run_dag: Callable[[DAG], FinishedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", emulator.bucket)
    if HAS_MESSAGE_QUEUES:
        # Any will do: dag.test() runs what a message would start, and no trigger that listens.
        monkeypatch.setenv(
            "POLLY_EXAMPLE_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
        )
    dags = dags_in(path)
    assert path.stem in dags
    for dag_id in sorted(dags):
        assert dag_id.startswith(path.stem)
        run = run_dag(dags[dag_id])
        assert run.state == "success", run.output
