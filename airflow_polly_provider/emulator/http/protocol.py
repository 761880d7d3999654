"""HTTP/1.1 on asyncio: h11 reads and writes the protocol, this module holds the connections.

The calls that a poller makes by the thousand are answered straight from the event loop, with no framework
in between; what is slow is awaited. A framework would not hang up or cut an answer short on demand either.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes

import h11

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
# Objects that tests upload pass through memory; Polly's own requests have a far lower limit.
MAX_BODY_BYTES = 256 * 1024 * 1024
_BROKEN = "The emulator failed at %s %s"
_SEE_LOG = "The emulator failed; its log says how"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """One request.

    :param method: such as ``GET``.
    :param path: still percent-encoded.
    :param query: without the question mark.
    :param headers: by lower-case name.
    :param body: whole.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def decoded_path(self) -> str:
        """Give the path as WSGI wants it: percent-decoded bytes, as Latin-1."""
        return unquote_to_bytes(self.path).decode("latin-1")


@dataclass(slots=True)
class Response:
    """One answer.

    :param status: the HTTP status.
    :param body: whole.
    :param headers: without length and connection, which the server adds.
    :param delivery: ``whole``; ``cut`` after the first half; or ``drop`` to send nothing and hang up.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delivery: Literal["whole", "cut", "drop"] = "whole"


class HttpProtocol(asyncio.Protocol):
    """One connection.

    :param handler: answers a request, at once or in an awaitable.
    :param open_connections: holds this connection while it is open.
    :param answers: holds the answers that are being made, whether or not anyone still waits for them.
    """

    def __init__(
        self,
        handler: Callable[[Request], Response | Awaitable[Response]],
        open_connections: set[HttpProtocol],
        answers: set[asyncio.Task[None]],
    ) -> None:
        self._handler = handler
        self._open = open_connections
        self._answers = answers
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; what it asked for is finished all the same."""
        self._transport = None
        self._open.discard(self)

    def abort(self) -> None:
        """Hang up now."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and answer the requests that they complete."""
        self._http.receive_data(data)
        if self._answering is None:
            self._serve_received()
        elif self._transport is not None:
            # A request that comes before the last one's answer waits with the client, not in memory here.
            self._transport.pause_reading()

    def _serve_received(self) -> None:
        while self._answering is None and self._transport is not None and not self._transport.is_closing():
            try:
                request = self._next_request()
            except h11.RemoteProtocolError as error:
                self._finish(_error(error.error_status_hint, "BadRequestException", str(error)))
                return
            if request is None:
                return
            try:
                answer = self._handler(request)
            except Exception:
                log.exception(_BROKEN, request.method, request.path)
                answer = _error(500, "InternalFailure", _SEE_LOG)
            if isinstance(answer, Response):
                self._finish(answer)
            else:
                self._answering = asyncio.ensure_future(self._answer_later(answer, request))
                self._answers.add(self._answering)
                self._answering.add_done_callback(self._answers.discard)

    async def _answer_later(self, answer: Awaitable[Response], request: Request) -> None:
        try:
            try:
                response = await answer
            except Exception:
                log.exception(_BROKEN, request.method, request.path)
                response = _error(500, "InternalFailure", _SEE_LOG)
            self._finish(response)
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._answering = None
        if self._transport is not None:
            self._transport.resume_reading()
            self._serve_received()

    def _next_request(self) -> Request | None:
        """Read on; None while the request is incomplete."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                _check_head(event)
                self._head = event
                self._body = bytearray()
            elif isinstance(event, h11.Data):
                self._body += event.data
                _check_length(len(self._body))
            elif isinstance(event, h11.EndOfMessage):
                assert self._head is not None
                return _request(self._head, bytes(self._body))
            else:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
                return None

    def _finish(self, response: Response) -> None:
        if self._transport is None:
            return
        if response.delivery == "drop":
            self._transport.abort()
            return
        try:
            self._send(response)
        except (h11.LocalProtocolError, UnicodeEncodeError):
            log.exception("The emulator made an answer that is no HTTP")
            self._transport.abort()
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._head = None
        else:
            self._transport.close()

    def _send(self, response: Response) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        has_body = response.status not in (204, 304)
        if self._head is not None and self._head.method == b"HEAD":
            # The answer to HEAD carries the length of the body that it leaves out.
            has_length = any(name.lower() == b"content-length" for name, _ in headers)
            has_body, needs_length = False, has_body and not has_length
        else:
            needs_length = has_body
        if needs_length:
            headers.append((b"Content-Length", b"%d" % len(response.body)))
        if self._http.their_state in (h11.SEND_BODY, h11.ERROR):
            headers.append((b"Connection", b"close"))
        reason = _REASONS.get(response.status, "Unknown").encode()
        events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers, reason=reason)]
        body = response.body if has_body else b""
        if response.delivery == "cut":
            events.append(h11.Data(data=body[: len(body) // 2]))
        else:
            events += [h11.Data(data=body), h11.EndOfMessage()]
        self._write(*events)

    def _write(self, *events: h11.Event) -> None:
        assert self._transport is not None
        pieces = [piece for event in events for piece in self._http.send_with_data_passthrough(event) or ()]
        self._transport.writelines(pieces)


def _error(status: int, code: str, message: str) -> Response:
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
    return Response(status, json.dumps({"message": message}).encode(), headers)


def _check_head(head: h11.Request) -> None:
    if head.http_version not in (b"1.0", b"1.1") or not head.target.startswith(b"/"):
        raise h11.RemoteProtocolError("This is no HTTP/1.1 request")
    for name, value in head.headers:
        if name == b"content-length":
            _check_length(int(value))


def _check_length(length: int) -> None:
    if length > MAX_BODY_BYTES:
        raise h11.RemoteProtocolError("The request body is too large", error_status_hint=413)


def _request(head: h11.Request, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, _, query = head.target.decode().partition("?")
    return Request(head.method.decode(), path, query, headers, body)
