"""HTTP/1.1 connections, parsed and written by h11."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from airflow_polly_provider.emulator.http.connection import Connection
from airflow_polly_provider.emulator.http.messages import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Request,
    Response,
    error_answer,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from airflow_polly_provider.emulator.http.connection import Listener

log = logging.getLogger(__name__)

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Http1Connection(Connection):
    """An HTTP/1.1 connection. It handles one request at a time.

    :param listener: the state shared with the other connections.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._answering: asyncio.Task[None] | None = None
        self._waiting_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection, and cancel its unfinished response."""
        super().connection_lost(exc)
        if self._answering is not None:
            self._answering.cancel()

    def _is_answering(self) -> bool:
        return self._answering is not None

    def _is_within_request(self) -> bool:
        return self._http.their_state is h11.SEND_BODY or bool(self._http.trailing_data[0])

    def _give_up_request(self, answer: Response) -> None:
        self._finish(answer)

    def _close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read bytes, and handle each complete request."""
        self._last_active = self._loop.time()
        self._http.receive_data(data)
        if self._answering is None:
            self._serve_received()
        elif self._transport is not None:
            # Pipelined requests wait until the current response is sent. Meanwhile, continue to read in order
            # to detect a disconnect. Stop at a limit, so that further data does not fill the memory.
            self._waiting_bytes += len(data)
            if self._waiting_bytes > MAX_HEAD_BYTES:
                self._transport.pause_reading()

    def _serve_received(self) -> None:
        while self._answering is None and self._transport is not None and not self._transport.is_closing():
            try:
                request = self._next_request()
            except h11.RemoteProtocolError as error:
                self._finish(error_answer(error.error_status_hint, "BadRequestException", str(error)))
                return
            if request is None:
                return
            answer = self._handle(request)
            if isinstance(answer, Response):
                self._finish(answer)
            else:
                self._answering = asyncio.ensure_future(self._answer_later(answer, request))
                self._listener.answers.add(self._answering)
                self._answering.add_done_callback(self._listener.answers.discard)

    async def _answer_later(self, answer: Awaitable[Response], request: Request) -> None:
        try:
            self._finish(await self._finished(answer, request))
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._answering = None
        if self._transport is not None:
            self._waiting_bytes = 0
            self._transport.resume_reading()
            self._serve_received()

    def _next_request(self) -> Request | None:
        """Return the next complete request; None if more data is needed."""
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
        self._written()
        if response.delivery == "drop":
            self._transport.abort()
            return
        try:
            self._send(response)
        except (h11.LocalProtocolError, UnicodeEncodeError):
            log.exception("The emulator's response is not valid HTTP; the emulator closes the connection")
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
            # The response to HEAD contains the length of the body, but not the body.
            has_length = any(name.lower() == b"content-length" for name, _ in headers)
            has_body, needs_length = False, has_body and not has_length
        else:
            needs_length = has_body
        if needs_length:
            headers.append((b"Content-Length", b"%d" % len(response.body)))
        if self._http.their_state in (h11.IDLE, h11.SEND_BODY, h11.ERROR):
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
        pieces = (piece for event in events for piece in self._http.send_with_data_passthrough(event) or ())
        # If an empty piece is written, asyncio in Python 3.12 and 3.13 keeps it in the buffer. Then asyncio
        # tries endlessly to send it, and never closes the connection.
        self._transport.writelines([piece for piece in pieces if piece])


def _check_head(head: h11.Request) -> None:
    if head.http_version not in (b"1.0", b"1.1") or not head.target.startswith(b"/"):
        raise h11.RemoteProtocolError(
            "The request must use HTTP/1.0 or HTTP/1.1, and its target must be a path"
        )
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
