"""A task that succeeded and is then cleared."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from scripts.stack.settings import AIRFLOW_MAJOR
from tests.integration.emulator_process import Emulator

if TYPE_CHECKING:
    from tests.integration.shared_stack.runs import Runs

DAG_ID = "cleared"
LIST = "ListSpeechSynthesisTasks"

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def clear(runs: Runs, task_id: str) -> None:
    """Clear a task as a user does. Airflow 3's command cannot find a run without a logical date."""
    airflow, run_id = runs.airflow, runs.ids[DAG_ID]
    if AIRFLOW_MAJOR < 3:
        command = [sys.executable, "-m", "airflow", "tasks", "clear", "--yes", "-t", f"^{task_id}$", DAG_ID]
        subprocess.run(command, env=airflow.environment, check=True, timeout=180, capture_output=True)
        return
    with httpx.Client(base_url=airflow.base_url, timeout=60, trust_env=False) as client:
        token = client.get("/auth/token").raise_for_status().json()["access_token"]
        client.post(
            f"/api/v2/dags/{DAG_ID}/clearTaskInstances",
            json={"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()


def test_a_cleared_task_starts_anew_after_one_look(runs: Runs) -> None:
    """There is nothing to find, so four requests (one for each TaskStatus) are enough."""
    runs.assert_success(DAG_ID)
    first = runs.xcoms(DAG_ID, "speak")["TaskId"]
    with contextlib.closing(Emulator(runs.endpoint_url)) as emulator:
        listed = emulator.calls(LIST, "ok")
        clear(runs, "speak")
        runs.airflow.wait_for_run(DAG_ID, runs.ids[DAG_ID], timeout=300)
        assert runs.xcoms(DAG_ID, "speak")["TaskId"] != first
        assert emulator.calls(LIST, "ok") - listed == 4
