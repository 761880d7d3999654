"""The links that Airflow 3 stores when a task has run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_polly_provider.settings import has_listen_tab
from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.batch_support import ITEMS, TASK, batch_dag
from tests.integration.dag_builder import START, start_dag

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag

pytestmark = pytest.mark.skipif(AIRFLOW_MAJOR < 3, reason="Airflow 2 builds links in the webserver")
MODES = pytest.mark.parametrize("mode", [{"deferrable": True}, {"deferrable": False}], ids=str)


def page_of(run: FinishedRun, task_id: str) -> str:
    """Return the address of the tab; empty if Airflow has no such tab."""
    ids = quote(run.dag_id, safe=""), quote(run.run_id, safe="")
    path = "/dags/{}/runs/{}/tasks/{}/plugin/polly-listen".format(*ids, task_id)
    return f"https://example.com/airflow{path}"


@MODES
def test_lead_to_the_tab_and_not_to_the_console_if_the_endpoint_is_not_aws(
    emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    run = run_dag(start_dag(emulator, **mode))
    assert run.task("start") == ("success", 1), run.output
    expected = {"PollySynthesisTasksLink": "", "PollyOutputLink": ""}
    if has_listen_tab():
        expected["PollyListenLink"] = page_of(run, "start")
    assert run.links("start") == expected


@MODES
def test_of_a_failed_batch_lead_to_the_tab(
    emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
) -> None:
    """The tab plays the items that did not fail."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    emulator.faults.add(START, fail_task="The bucket does not exist")
    run = run_dag(batch_dag(emulator, items=ITEMS, **mode))
    assert run.task(TASK) == ("failed", 1)
    if has_listen_tab():
        assert run.links(TASK)["PollyListenLink"] == page_of(run, TASK)
