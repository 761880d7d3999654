"""The emulator's server, which listens on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.base.clock import Clock
from airflow_polly_provider.emulator.http.connection import Listener, TimeLimits
from airflow_polly_provider.emulator.http.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.http.connection import Connection

_REQUIRED = ("h11", "h2", "moto", "flask", "flask_cors", "soundfile", "numpy")


class MissingExtraError(ImportError):
    """The ``emulator`` extra is missing, or ``audio`` is ``speech`` but the ``speech`` extra is missing."""


def require_extras(settings: Settings) -> None:
    """Check that the required packages are installed.

    :param settings: the emulator's settings.
    :raises MissingExtraError: if a package is missing; the message contains the command that installs it.
    """
    missing = [name for name in _REQUIRED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The Polly emulator needs {', '.join(missing)}. To install the extra "
            "'emulator' in a clone of the repository, run: pip install \".[emulator]\""
        )
    from airflow_polly_provider.emulator.speech.worker import speech_available

    if settings.audio == "speech" and not speech_available():
        raise MissingExtraError(
            "The Polly emulator needs the extra 'speech' for speech. To install it in a clone of the "
            'repository, run: pip install ".[speech]". Alternatively, do not set audio to speech: without '
            "the extra, the emulator then writes a tone."
        )


class EmulatorServer:
    """The emulator with its listening socket.

    :param settings: the emulator's settings.
    :param clock: the source of timestamps; None for a new :class:`~.clock.Clock`.
    :param limits: the time limits for silent clients; None for the defaults.
    """

    def __init__(
        self, settings: Settings, clock: Clock | None = None, *, limits: TimeLimits | None = None
    ) -> None:
        require_extras(settings)
        from airflow_polly_provider.emulator.control.application import Application

        self.settings = settings
        self.clock = clock or Clock()
        self.app = Application(settings, self.clock)
        self._limits = limits or TimeLimits()
        self._sweeping: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._listener = Listener(self.app.handle)

    @property
    def connections(self) -> Collection[Connection]:
        """Return the open connections."""
        return self._listener.connections

    @property
    def port(self) -> int:
        """Return the port. The port is known once the server has started."""
        if self._server is None:
            raise RuntimeError("The emulator is not listening: call start() first")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        """Return the bound IP address. The address is known once the server has started."""
        if self._server is None:
            raise RuntimeError("The emulator is not listening: call start() first")
        return str(self._server.sockets[0].getsockname()[0])

    @property
    def endpoint_url(self) -> str:
        """Return the URL for clients. The URL is known once the server has started."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Start listening, and accept connections.

        :raises OSError: if the host is unknown, or the socket cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self.app.open()
        try:
            self._server = await loop.create_server(
                lambda: Opening(self._listener),
                self.settings.host,
                self.settings.port,
            )
        except socket.gaierror as error:
            raise OSError(f"Unknown host {self.settings.host!r}: {error.strerror}") from error
        self._sweeping = asyncio.create_task(self._close_stale_connections())
        self.app.announce(self.endpoint_url, self.address)

    async def _close_stale_connections(self) -> None:
        while True:
            await asyncio.sleep(self._limits.request_seconds / 10)
            for connection in list(self._listener.connections):
                connection.close_if_stale(self._limits)

    async def stop(self) -> None:
        """Stop listening, close all connections and stop all work."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._listener.connections):
            connection.abort()
        for answer in list(self._listener.answers):
            answer.cancel()
        await asyncio.gather(*self._listener.answers, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self.app.close)
        if self._server is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._server.wait_closed()
