from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from airflow_polly_provider.plugin import PollyPlugin
from airflow_polly_provider.ui import app as app_module
from airflow_polly_provider.ui.lazy_app import ListenApp

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def test_the_plugin_s_application_is_the_one_with_permissions() -> None:
    (mounted,) = PollyPlugin().fastapi_apps
    with TestClient(mounted["app"]) as anonymous:
        assert anonymous.get("/dags/speak/run", params={"run_id": "r"}).status_code == 401


@pytest.mark.asyncio
async def test_many_first_requests_share_one_application(monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[ASGIApp] = []

    def create() -> ASGIApp:
        created.append(PlainTextResponse("hello"))
        return created[-1]

    monkeypatch.setattr(app_module, "create_app", create)
    lazy, sent = ListenApp(), []

    async def send(message: object) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    receive: Receive = asyncio.Queue().get
    sender: Send = send
    await asyncio.gather(*(lazy(scope, receive, sender) for _ in range(20)))
    assert len(created) == 1
    assert len(sent) == 40
