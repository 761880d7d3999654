"""The base class of HTTP/1.1 and HTTP/2 connections.

The emulator uses no web framework, for two reasons. First, a poller makes thousands of calls. The emulator
handles most of them directly on the event loop, and awaits only slow ones. Second, a fault must be able to
close a connection or cut a response at any point, which a framework does not allow.
"""

from __future__ import annotations

import abc
import array
import asyncio
import contextlib
import fcntl
import logging
import socket
import termios
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.http.messages import error_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_polly_provider.emulator.http.messages import Request, Response

log = logging.getLogger(__name__)

_BROKEN = "The emulator failed to handle %s %s, and returns HTTP 500"
_SEE_LOG = "The emulator failed; its log contains the traceback"


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """How long a client may be silent before the emulator closes its connection.

    :param request_seconds: the limit before the first request, and within an incomplete request.
    :param idle_seconds: the limit between two requests; boto3 keeps its connections open.
    :param unread_seconds: the limit while a response waits for the client to read it. For example, a browser
        stops reading while its audio is paused.
    """

    request_seconds: float = 30.0
    idle_seconds: float = 600.0
    unread_seconds: float = 600.0


@dataclass(frozen=True, eq=False)
class Listener:
    """State that all connections share.

    :param handler: a function that returns the response to a request, or an awaitable that returns the
        response. The awaitable is cancelled if the client disconnects.
    :param connections: the open connections.
    :param answers: the asyncio tasks that compute responses.
    """

    handler: Callable[[Request], Response | Awaitable[Response]]
    connections: set[Connection] = field(default_factory=set)
    answers: set[asyncio.Task[None]] = field(default_factory=set)


class Connection(asyncio.Protocol, abc.ABC):
    """One connection.

    :param listener: the state shared with the other connections.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._last_active = 0.0
        self._unsent = 0
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection with the listener."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._last_active = self._loop.time()
        self._listener.connections.add(self)
        # TCP keepalive detects a client that disappears while it waits for a slow response.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the listener."""
        self._transport = None
        self._listener.connections.discard(self)

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    def close_if_stale(self, limits: TimeLimits) -> None:
        """Close the connection if its client has been silent for too long.

        :param limits: the time limits within a request, between requests, and while a response is sent.
        """
        if self._transport is None or self._is_answering():
            return
        silent = self._loop.time() - self._last_active
        unsent = self._bytes_not_received()
        if unsent:
            if unsent != self._unsent:
                self._unsent, self._last_active = unsent, self._loop.time()
            elif silent > limits.unread_seconds:
                self.abort()
        elif self._is_within_request():
            if silent > limits.request_seconds:
                self._give_up_request(
                    error_answer(408, "RequestTimeoutException", "The request was not completed in time")
                )
        elif silent > (limits.idle_seconds if self._answered else limits.request_seconds):
            self._close()

    @abc.abstractmethod
    def _is_answering(self) -> bool:
        """Return whether the emulator is computing a response."""

    @abc.abstractmethod
    def _is_within_request(self) -> bool:
        """Return whether only part of a request has arrived so far."""

    @abc.abstractmethod
    def _give_up_request(self, answer: Response) -> None:
        """Send an error for the incomplete request, and close the connection."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Close the connection after all data is sent."""

    def _bytes_not_received(self) -> int:
        """Return how many response bytes have not been sent yet, in this process and in the kernel."""
        assert self._transport is not None
        buffered = self._transport.get_write_buffer_size()
        if not buffered:
            return 0
        in_kernel = array.array("i", [0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_kernel)
        return buffered + in_kernel[0]

    def _handle(self, request: Request) -> Response | Awaitable[Response]:
        try:
            return self._listener.handler(request)
        except Exception:
            log.exception(_BROKEN, request.method, request.path)
            return error_answer(500, "InternalFailure", _SEE_LOG)

    async def _finished(self, answer: Awaitable[Response], request: Request) -> Response:
        try:
            return await answer
        except Exception:
            log.exception(_BROKEN, request.method, request.path)
            return error_answer(500, "InternalFailure", _SEE_LOG)

    def _written(self) -> None:
        self._answered = True
        self._last_active = self._loop.time()
