"""HTTP/2 connections without TLS ("prior knowledge"), parsed and written by h2."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from airflow_polly_provider.emulator.http.connection import Connection
from airflow_polly_provider.emulator.http.messages import MAX_BODY_BYTES, Request, Response, error_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from airflow_polly_provider.emulator.http.connection import Listener

log = logging.getLogger(__name__)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEAD_BYTES = 9
_GOAWAY = 7
# Headers of HTTP/1.1 connections, which HTTP/2 forbids.
_OF_ONE_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


@dataclass(eq=False)
class _Stream:
    """One request and its response.

    :param headers: the request's headers, including pseudo-headers.
    :param body: the received part of the request body.
    :param is_whole: whether the complete request has arrived.
    :param is_asked: whether the computation of the response has started.
    :param answering: the asyncio task that computes the response.
    :param unsent: the part of the response's body that is not sent yet, because the client's flow control
        limits what may be sent.
    :param delivery: the response's ``delivery``.
    :param sends: whether the headers of the response have been sent.
    """

    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    is_asked: bool = False
    answering: asyncio.Task[None] | None = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    delivery: str = "whole"
    sends: bool = False


class Http2Connection(Connection):
    """An HTTP/2 connection. It handles many requests concurrently.

    A fault that would close an HTTP/1.1 connection resets only the stream of its request.

    :param listener: the state shared with the other connections.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._streams: dict[int, _Stream] = {}
        self._received = bytearray()
        self._is_begun = False
        self._is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, and send the server's HTTP/2 settings."""
        super().connection_made(transport)
        self._http.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection, and cancel its unfinished responses."""
        super().connection_lost(exc)
        self._forget_all()

    def data_received(self, data: bytes) -> None:
        """Read bytes, and handle each complete request. The first call gets the complete HTTP/2 preface."""
        self._last_active = self._loop.time()
        try:
            for frame in self._frames(data):
                for event in self._http.receive_data(frame):
                    self._take(event)
        except h2.exceptions.ProtocolError as error:
            # h2 has already queued a GOAWAY frame with the reason. It is sent before the connection closes.
            log.info("A client violated the HTTP/2 protocol: %s; the emulator closes the connection", error)
            self._hang_up()
            return
        # Respond only after all frames are read, because a later frame may cancel a request.
        for number, stream in list(self._streams.items()):
            if stream.is_whole and not stream.is_asked:
                self._answer(number, stream)
        self._send()

    def _frames(self, data: bytes) -> Iterator[bytes]:
        """Yield the received frames for h2, except a GOAWAY without an error.

        A client that closes the connection sends GOAWAY, and still waits for the responses to its requests
        (RFC 9113, section 6.8). After a GOAWAY, h2 would refuse to send these responses.
        """
        self._received += data
        if not self._is_begun:
            self._is_begun = True
            yield self._taken(len(PREFACE))
        while len(self._received) >= _FRAME_HEAD_BYTES:
            length = int.from_bytes(self._received[:3])
            if length > self._http.max_inbound_frame_size:
                # h2 would report the error only later, when the complete frame has arrived.
                self._http.close_connection(h2.errors.ErrorCodes.FRAME_SIZE_ERROR)
                raise h2.exceptions.FrameTooLargeError(f"A frame of {length} bytes is too large")
            if len(self._received) < _FRAME_HEAD_BYTES + length:
                return
            kind = self._received[3]
            frame = self._taken(_FRAME_HEAD_BYTES + length)
            if kind == _GOAWAY and frame[_FRAME_HEAD_BYTES + 4 :][:4] == bytes(4):
                self._is_last = True
            else:
                yield frame

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            self._extend(event)
        elif isinstance(event, h2.events.StreamEnded):
            if event.stream_id in self._streams:
                self._streams[event.stream_id].is_whole = True
        elif isinstance(event, h2.events.StreamReset):
            self._forget(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._hang_up()

    def _begin(self, event: h2.events.RequestReceived) -> None:
        headers: dict[str, str] = {}
        for raw_name, raw_value in event.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            separator = "; " if name == "cookie" else ","
            headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
        self._streams[event.stream_id] = _Stream(headers)
        if headers.get("expect", "").lower() == "100-continue":
            self._http.send_headers(event.stream_id, [(":status", "100")])

    def _extend(self, event: h2.events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and not stream.sends:
            stream.body += event.data
            if len(stream.body) > MAX_BODY_BYTES:
                too_large = error_answer(413, "BadRequestException", "The request body is too large")
                stream.is_asked = True
                self._begin_answer(event.stream_id, stream, too_large)
        # Acknowledge discarded data too. Otherwise the client would stop sending on its other streams.
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _answer(self, number: int, stream: _Stream) -> None:
        stream.is_asked = True
        path, _, query = stream.headers.get(":path", "").partition("?")
        if not path.startswith("/"):
            no_path = error_answer(400, "BadRequestException", "The request has no path")
            self._begin_answer(number, stream, no_path)
            return
        headers = {name: value for name, value in stream.headers.items() if not name.startswith(":")}
        if ":authority" in stream.headers:
            headers["host"] = stream.headers[":authority"]
        request = Request(stream.headers[":method"], path, query, headers, bytes(stream.body))
        answer = self._handle(request)
        if isinstance(answer, Response):
            self._begin_answer(number, stream, answer)
            return
        stream.answering = asyncio.ensure_future(self._answer_later(number, stream, answer, request))
        self._listener.answers.add(stream.answering)
        stream.answering.add_done_callback(self._listener.answers.discard)

    async def _answer_later(
        self, number: int, stream: _Stream, answer: Awaitable[Response], request: Request
    ) -> None:
        response = await self._finished(answer, request)
        stream.answering = None
        if number in self._streams:
            self._begin_answer(number, stream, response)
            self._send()

    def _begin_answer(self, number: int, stream: _Stream, response: Response) -> None:
        self._written()
        if response.delivery == "drop":
            self._reset(number)
            return
        has_body = response.status not in (204, 304)
        is_head = stream.headers[":method"] == "HEAD"
        headers = [(":status", str(response.status))]
        headers += [
            (name.lower(), value) for name, value in response.headers if name.lower() not in _OF_ONE_HOP
        ]
        # The response to HEAD contains the length of the body, but not the body.
        if has_body and not any(name == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(response.body))))
        body = response.body if has_body and not is_head else b""
        if response.delivery == "cut":
            body = body[: len(body) // 2]
        stream.sends, stream.unsent, stream.delivery = True, memoryview(body), response.delivery
        ends = not body and response.delivery == "whole"
        try:
            self._http.send_headers(number, headers, end_stream=ends)
        except (h2.exceptions.ProtocolError, UnicodeEncodeError):
            log.exception("The emulator's response is not valid HTTP; the emulator resets the stream")
            self._reset(number)
            return
        if ends:
            del self._streams[number]

    def _send(self) -> None:
        self._send_allowed()
        if self._is_last and not self._streams:
            self._close()
        else:
            self._flush()

    def _send_allowed(self) -> None:
        """Send as much of the responses as the client's flow control allows."""
        for number, stream in list(self._streams.items()):
            if not stream.sends:
                continue
            while stream.unsent:
                size = min(
                    self._http.local_flow_control_window(number),
                    self._http.max_outbound_frame_size,
                    len(stream.unsent),
                )
                if size <= 0:
                    break
                piece, stream.unsent = bytes(stream.unsent[:size]), stream.unsent[size:]
                ends = not stream.unsent and stream.delivery == "whole"
                self._http.send_data(number, piece, end_stream=ends)
                self._last_active = self._loop.time()
            if not stream.unsent:
                if stream.delivery == "whole":
                    del self._streams[number]
                else:
                    self._reset(number)

    def _reset(self, number: int) -> None:
        del self._streams[number]
        self._http.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and stream.answering is not None:
            stream.answering.cancel()

    def _forget_all(self) -> None:
        for number in list(self._streams):
            self._forget(number)

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _hang_up(self) -> None:
        self._forget_all()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _is_answering(self) -> bool:
        return any(stream.answering is not None for stream in self._streams.values())

    def _is_within_request(self) -> bool:
        return bool(self._received) or any(not stream.is_asked for stream in self._streams.values())

    def _give_up_request(self, answer: Response) -> None:
        for number, stream in list(self._streams.items()):
            if not stream.is_asked:
                self._begin_answer(number, stream, answer)
        self._send_allowed()
        self._close()

    def _close(self) -> None:
        self._http.close_connection()
        self._hang_up()

    def _bytes_not_received(self) -> int:
        return super()._bytes_not_received() + sum(len(stream.unsent) for stream in self._streams.values())
