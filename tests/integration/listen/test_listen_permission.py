"""The permission to read the XComs of a DAG, with Airflow's own auth manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from airflow.api_fastapi.app import create_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from tests.integration.listen.server import listen_server
from tests.unit.ui.support import COMPLETED, DAG, RUN, XComs, asked

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTES = ("listen", "task", "run", "audio", "captions", "transcript", "chapters")


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch) -> XComs:
    """Replace the table of XComs."""
    xcoms = XComs()
    xcoms.push(COMPLETED)
    monkeypatch.setattr("airflow_polly_provider.ui.library.read_xcoms", xcoms.read)
    return xcoms


@pytest.fixture
def auth_manager(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return Airflow's simple auth manager."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "secret" * 20)
    yield create_auth_manager()
    purge_cached_app()


def headers_of(auth_manager: Any, role: str | None) -> dict[str, str]:
    user = SimpleAuthManagerUser(username="someone", role=role)
    return {"Authorization": f"Bearer {auth_manager.generate_jwt(user)}"}


def test_only_a_user_with_the_permission_gets_an_answer(auth_manager: Any, xcoms: XComs) -> None:
    allowed, refused = headers_of(auth_manager, "viewer"), headers_of(auth_manager, None)
    forged = {"Authorization": "Bearer forged"}
    with listen_server(is_open=False) as address, httpx.Client(base_url=address, trust_env=False) as browser:
        for name in ROUTES:
            url = f"/dags/{DAG}/{name}"
            for headers, statuses in ((None, {401}), (refused, {403}), (forged, {401, 403})):
                answer = browser.get(url, params=asked(), headers=headers)
                assert answer.status_code in statuses, name
                assert "RunId" not in answer.text
                assert any(
                    sentence in answer.text
                    for sentence in ("You are not logged in.", "You have no permission")
                )
        assert xcoms.reads == 0
        found = browser.get(f"/dags/{DAG}/run", params={"run_id": RUN}, headers=allowed)
        assert len(found.json()["tracks"]) == 1
        assert browser.get(f"/dags/{DAG}/listen", params=asked(), headers=allowed).status_code == 200


def test_the_cookie_of_the_ui_is_accepted(auth_manager: Any, xcoms: XComs) -> None:
    token = headers_of(auth_manager, "viewer")["Authorization"].removeprefix("Bearer ")
    with listen_server(is_open=False) as address, httpx.Client(base_url=address, trust_env=False) as browser:
        found = browser.get(f"/dags/{DAG}/task", params=asked(), headers={"Cookie": f"_token={token}"})
        assert len(found.json()["tracks"]) == 1
