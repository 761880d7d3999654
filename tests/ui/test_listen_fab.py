"""The permissions of real roles for the tab Listen: an API server with the FAB auth manager."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from scripts.stack.airflow import AirflowStack
from tests.ui.fab_roles import OTHER_DAG, SEEN_DAG

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PATH = "/air/flow"
ROLES_SECONDS = 180
ROUTES = ("listen", "listen.js", "run", "task")

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("airflow.providers.fab") is None, reason="needs the dependency group fab"),
]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run an API server with the FAB auth manager, and return a client for it."""
    home = tmp_path_factory.mktemp("fab")
    (home / "dags").mkdir()
    # If there is a file, a stack does not copy the database of another one, which would lack FAB's tables.
    (home / "fab.db").touch()
    auth_manager = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    with AirflowStack(
        home=home,
        dags_folder=home / "dags",
        env={"AIRFLOW__CORE__AUTH_MANAGER": auth_manager},
        database_url=f"sqlite:///{home / 'fab.db'}",
        machines={"server": "api-server"},
        path=PATH,
    ) as stack:
        subprocess.run(
            [sys.executable, "-m", "tests.ui.fab_roles"],
            check=True,
            cwd=ROOT,
            env=stack.environment,
            timeout=ROLES_SECONDS,
        )
        with httpx.Client(base_url=stack.base_url, trust_env=False, timeout=60) as client:
            yield client


def statuses(http: httpx.Client, dag_id: str, user: str | None) -> set[int]:
    """Return the status codes of all routes for a DAG."""
    headers = {}
    if user is not None:
        answer = http.post("/auth/token", json={"username": user, "password": user})
        headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    parameters = {"run_id": "run", "task_id": "task"}
    return {
        http.get(f"/polly/dags/{dag_id}/{route}", params=parameters, headers=headers).status_code
        for route in ROUTES
    }


def test_a_role_needs_the_permissions_for_the_dag_and_for_xcoms(http: httpx.Client) -> None:
    assert statuses(http, SEEN_DAG, "listener") == {200}
    assert statuses(http, OTHER_DAG, "listener") == {403}
    assert statuses(http, SEEN_DAG, "reader") == {403}
    assert statuses(http, SEEN_DAG, None) == {401}
