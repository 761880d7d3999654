"""The application behind the tab *Listen*, created when its first request arrives.

The API server, and commands such as ``airflow plugins``, read the plugin's applications. Importing FastAPI
and the amazon provider would make these commands seconds slower.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class ListenApp:
    """An ASGI application that passes requests on to the one that it creates at the first request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. In the meantime, the API server answers others.

        :param scope: the request, as ASGI describes it
        :param receive: returns the next event
        :param send: sends an event
        """
        app = self._app
        if app is None:
            app = await asyncio.to_thread(self._created)
        await app(scope, receive, send)

    def _created(self) -> ASGIApp:
        from airflow_polly_provider.ui.app import create_app

        with self._lock:
            if self._app is None:
                self._app = create_app()
            return self._app
