"""The application in a real HTTP server, below the middlewares of Airflow's API server."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from airflow.api_fastapi.auth.middlewares.refresh_token import JWTRefreshMiddleware
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from airflow_polly_provider.ui.app import create_app, router

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def listen_server(*, is_open: bool = True) -> Iterator[str]:
    """Run the application in a thread, mounted as Airflow's API server mounts it. Yield its address.

    :param is_open: whether every user may read everything
    """
    app = create_app()
    if is_open:
        (permission,) = router.dependencies
        assert permission.dependency is not None
        app.dependency_overrides[permission.dependency] = lambda: None
    api_server = FastAPI()
    api_server.mount("/polly", app)
    api_server.add_middleware(JWTRefreshMiddleware)
    api_server.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    config = uvicorn.Config(
        api_server, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="listen-server", daemon=True)
    thread.start()
    started = threading.Event()
    for _ in range(200):
        if server.started:
            break
        started.wait(0.05)
    assert server.started
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/polly"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
