"""Who may use the routes behind the tab Listen, over HTTP and below a sub-path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.ui.airflow_ui import RUN_ID
from tests.ui.listening import BASIC, CAPTIONS
from tests.ui.users import ADMIN, HIDDEN_DAG, STRANGER, VIEWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

    from tests.ui.listening import Listening

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ROUTES = ("listen", "listen.js", "listen.css", "run", "task", "audio", "captions", "transcript", "chapters")


@pytest.fixture
def http(airflow: Listening) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=airflow.base_url, trust_env=False) as client:
        yield client


def ask(
    http: httpx.Client, dag_id: str, route: str, task_id: str, token: str | None = None
) -> httpx.Response:
    return http.get(
        f"/polly/dags/{dag_id}/{route}",
        params={"run_id": RUN_ID, "task_id": task_id},
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )


def token_of(http: httpx.Client, user: str) -> str:
    answer = http.post("/auth/token", json={"username": user, "password": user})
    token: str = answer.raise_for_status().json()["access_token"]
    return token


@pytest.mark.parametrize("route", ROUTES)
def test_an_anonymous_visitor_gets_nothing(http: httpx.Client, route: str) -> None:
    for dag_id, task_id in ((CAPTIONS, "article"), ("no_such_dag", "article")):
        answer = ask(http, dag_id, route, task_id)

        assert answer.status_code == 401
        assert "log in" in answer.text.lower()


def test_nobody_gets_anything_with_a_forged_token(http: httpx.Client) -> None:
    forged = token_of(http, VIEWER)[:-4] + "AAAA"

    assert {ask(http, CAPTIONS, route, "article", forged).status_code for route in ROUTES} <= {401, 403}


@pytest.mark.parametrize("route", ROUTES)
def test_a_user_without_permission_for_the_dag_gets_nothing(http: httpx.Client, route: str) -> None:
    token = token_of(http, STRANGER)

    answer = ask(http, HIDDEN_DAG, route, "prompts", token)

    assert answer.status_code == 403
    assert "permission" in answer.text


@pytest.mark.parametrize("user", [ADMIN, VIEWER, STRANGER])
def test_a_user_with_permission_for_the_dag_gets_everything(http: httpx.Client, user: str) -> None:
    token = token_of(http, user)

    assert {route: ask(http, CAPTIONS, route, "article", token).status_code for route in ROUTES} == (
        dict.fromkeys(ROUTES, 200)
    )


def test_the_cookie_of_the_ui_opens_the_routes(window: BrowserContext, airflow: Listening) -> None:
    answer = window.request.get(
        f"{airflow.base_url}/polly/dags/{BASIC}/audio",
        params={"run_id": RUN_ID, "task_id": "start"},
        headers={"Range": "bytes=0-99"},
    )

    assert (answer.status, len(answer.body())) == (206, 100)
    assert answer.headers["content-type"] == "audio/mpeg"
