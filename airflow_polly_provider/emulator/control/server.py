"""An emulator that listens."""

from __future__ import annotations

import asyncio
import contextlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.base.clock import Clock
from airflow_polly_provider.emulator.http.protocol import HttpProtocol

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.base.settings import Settings

_REQUIRED = ("h11", "moto", "flask", "flask_cors", "soundfile", "numpy")


class MissingExtraError(ImportError):
    """The ``emulator`` extra is not installed, or the ``speech`` extra where speech is asked for."""


def require_extras(settings: Settings) -> None:
    """Make sure that what the emulator stands on is installed.

    :raises MissingExtraError: naming the command that installs it.
    """
    missing = [name for name in _REQUIRED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The Polly emulator needs {', '.join(missing)}, which the extra 'emulator' brings; "
            'in a clone of the repository: pip install ".[emulator]"'
        )
    from airflow_polly_provider.emulator.speech.worker import speech_available

    if settings.audio == "speech" and not speech_available():
        raise MissingExtraError(
            "To speak, the Polly emulator needs the extra 'speech'; in a clone of the repository: "
            'pip install ".[speech]". Without it, a tone can stand for speech: leave audio out.'
        )


class EmulatorServer:
    """The emulator behind a listening socket.

    :param settings: how it is to behave.
    :param clock: where times come from.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        require_extras(settings)
        from airflow_polly_provider.emulator.control.application import Application

        self.settings = settings
        self.clock = clock or Clock()
        self.app = Application(settings, self.clock)
        self._server: asyncio.Server | None = None
        self._connections: set[HttpProtocol] = set()
        self._answers: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Tell the port; only while it listens."""
        if self._server is None:
            raise RuntimeError("The emulator does not listen")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def endpoint_url(self) -> str:
        """Tell the URL for clients; only while it listens."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen, and accept connections from now on."""
        loop = asyncio.get_running_loop()
        self.app.open()
        self._server = await loop.create_server(
            lambda: HttpProtocol(self.app.handle, self._connections, self._answers),
            self.settings.host,
            self.settings.port,
        )

    async def stop(self) -> None:
        """Hang up, and end all work."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        for answer in list(self._answers):
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self.app.close)
        if self._server is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._server.wait_closed()
