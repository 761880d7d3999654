"""What the connections of all versions of HTTP have in common.

The calls that a poller makes by the thousand are answered straight from the event loop, with no framework
in between; what is slow is awaited. A framework would not hang up or cut an answer short on demand either.
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

_BROKEN = "The emulator failed at %s %s"
_SEE_LOG = "The emulator failed; its log says how"


@dataclass(frozen=True, kw_only=True)
class TimeLimits:
    """How long a client may be silent before its connection is closed.

    :param request_seconds: before its first request, or with a request half sent.
    :param idle_seconds: between two requests; boto3 keeps its connections open.
    :param unread_seconds: while it reads nothing of an answer, as a browser does whose audio is paused.
    """

    request_seconds: float = 30.0
    idle_seconds: float = 600.0
    unread_seconds: float = 600.0


@dataclass(frozen=True, eq=False)
class Listener:
    """What connections share.

    :param handler: answers a request, at once or in an awaitable, which is cancelled if the client leaves.
    :param connections: those that are open.
    :param answers: those that are being made.
    """

    handler: Callable[[Request], Response | Awaitable[Response]]
    connections: set[Connection] = field(default_factory=set)
    answers: set[asyncio.Task[None]] = field(default_factory=set)


class Connection(asyncio.Protocol, abc.ABC):
    """One connection.

    :param listener: what it shares with the others.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._last_active = 0.0
        self._unsent = 0
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._last_active = self._loop.time()
        self._listener.connections.add(self)
        # A client that vanished without a word while it waits for a long answer is found by TCP.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._transport = None
        self._listener.connections.discard(self)

    def abort(self) -> None:
        """Hang up now."""
        if self._transport is not None:
            self._transport.abort()

    def close_if_stale(self, limits: TimeLimits) -> None:
        """Hang up on a client that fell silent: within a request, after an answer, or while it reads one.

        :param limits: how long it may be silent.
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
                    error_answer(408, "RequestTimeoutException", "The rest of the request did not come")
                )
        elif silent > (limits.idle_seconds if self._answered else limits.request_seconds):
            self._close()

    @abc.abstractmethod
    def _is_answering(self) -> bool:
        """Return whether an answer is being made."""

    @abc.abstractmethod
    def _is_within_request(self) -> bool:
        """Return whether a part of a request has come."""

    @abc.abstractmethod
    def _give_up_request(self, answer: Response) -> None:
        """Answer what is half received, and hang up."""

    @abc.abstractmethod
    def _close(self) -> None:
        """Hang up once everything is sent."""

    def _bytes_not_received(self) -> int:
        """Tell how many bytes of an answer the client has not taken, in memory here and in the kernel."""
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
