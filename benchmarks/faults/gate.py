"""A TCP proxy in front of the emulator that can close its port and break responses like a faulty network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import Literal, Self

Spoiling = Literal["500", "page", "reset"]

_START = b"POST /v1/synthesisTasks"
_ERROR_BODY = b'{"message": "The gate replaced the response"}'
_ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nx-amzn-ErrorType: ServiceFailureException\r\n"
    b"Content-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_ERROR_BODY), _ERROR_BODY)
)
# A page without a declared encoding. It is written in the encoding that applies in this case.
_PAGE_BODY = "<html><body>Accès refusé</body></html>".encode("latin-1")
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_PAGE_BODY),
    _PAGE_BODY,
)
_IN_PLACE: dict[str, bytes] = {"500": _ERROR, "page": _PAGE}
_SECONDS = 10


class Gate:
    """A port of the loopback interface that forwards to an emulator.

    :ivar target: host and port of the emulator
    """

    def __init__(self) -> None:
        self.target = ("127.0.0.1", 9)
        self._spoilings: list[Spoiling] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        # Reserve the port from now on, so that no other process takes it while the gate is shut.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()
        self._held.close()

    def open(self) -> None:
        """Accept connections."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_SECONDS)

    def shut(self) -> None:
        """Refuse new connections, and reset open ones."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(_SECONDS)

    def spoil(self, how: Spoiling, times: int) -> None:
        """Forward the next start requests, but break the responses to them.

        :param how: what to send: error 500 or a page instead of the response, or half of
            the response and then a TCP reset
        :param times: number of start requests
        """
        self._spoilings = [how] * times

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, reuse_address=True, reuse_port=True
            )

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            emulator, to_emulator = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(to_client)
            return
        pair = {to_client, to_emulator}
        self._writers |= pair
        pending: list[Spoiling] = []
        try:
            await asyncio.gather(
                self._requests(client, to_emulator, pending), self._answers(emulator, to_client, pending)
            )
        except OSError:
            pass
        finally:
            self._writers -= pair
            for writer in pair:
                writer.close()

    async def _requests(
        self, client: asyncio.StreamReader, to_emulator: asyncio.StreamWriter, pending: list[Spoiling]
    ) -> None:
        while chunk := await client.read(65536):
            if chunk.startswith(_START) and self._spoilings:
                pending.append(self._spoilings.pop())
            to_emulator.write(chunk)
            await to_emulator.drain()
        with contextlib.suppress(OSError):
            to_emulator.write_eof()

    async def _answers(
        self, emulator: asyncio.StreamReader, to_client: asyncio.StreamWriter, pending: list[Spoiling]
    ) -> None:
        while chunk := await emulator.read(65536):
            if not pending:
                to_client.write(chunk)
                await to_client.drain()
                continue
            if pending[0] == "reset":
                to_client.write(chunk[: len(chunk) // 2])
                await to_client.drain()
                # Wait until the first half is sent, because a reset discards data that is not sent yet.
                await asyncio.sleep(0.1)
                _reset(to_client)
            else:
                to_client.write(_IN_PLACE[pending[0]])
                await to_client.drain()
            raise ConnectionAbortedError
        to_client.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    plug = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
