"""A real Airflow with users and ended runs, which serves everything below a sub-path."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.stack_support import EXAMPLE_DAGS, polly_stack
from tests.ui.airflow_ui import RUN_ID
from tests.ui.auth_manager import DagAuthManager
from tests.ui.users import ADMIN, USERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stack_support import PollyStack

ROOT = Path(__file__).resolve().parents[2]
PATH = "/air/flow"
BASIC, MAPPED, AUDIOBOOK, CAPTIONS = EXAMPLES = [
    f"example_polly_{name}" for name in ("basic", "mapped", "audiobook", "captions")
]
CASES = "listen_cases"


@dataclass(frozen=True)
class Listening:
    """An Airflow in which each DAG has one ended run, ``RUN_ID``."""

    stack: PollyStack

    @property
    def base_url(self) -> str:
        """URL of Airflow's UI, with the sub-path."""
        return self.stack.airflow.base_url

    def xcoms(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the XComs of a task instance, by key."""
        return self.stack.airflow.xcoms(dag_id, RUN_ID, task_id, map_index)


@contextmanager
def listening_airflow(home: Path) -> Iterator[Listening]:
    """Run all DAGs at the same time, and yield the Airflow that ran them.

    :param home: folder for Airflow, its DAGs and all logs
    """
    dags_folder = home / "dags"
    shutil.copytree(Path(__file__).parent / "dags", dags_folder)
    shutil.copytree(EXAMPLE_DAGS / "texts", dags_folder / "texts")
    for dag_id in EXAMPLES:
        shutil.copy(EXAMPLE_DAGS / f"{dag_id}.py", dags_folder)
    users = ",".join(f"{user}:{role}" for user, role in USERS.items())
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({user: user for user in USERS}))
    env = {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__AUTH_MANAGER": f"{DagAuthManager.__module__}.{DagAuthManager.__name__}",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS": '{"standard": 4}',
        # Airflow 3 itself can fail a task that is resumed early: apache/airflow issues 71580 and 72716.
        "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    }
    with polly_stack(
        home / "stack",
        dags_folder=dags_folder,
        emulator_arguments=("--audio", "tone"),
        env=env,
        path=PATH,
        login=(ADMIN, ADMIN),
    ) as stack:
        ids = stack.airflow.trigger_all({dag_id: {} for dag_id in [*EXAMPLES, CASES]}, RUN_ID)
        states = stack.airflow.wait_for_runs(ids, timeout=540)
        assert states == {**dict.fromkeys(EXAMPLES, "success"), CASES: "failed"}
        yield Listening(stack)
