"""An HTTP/2 client that gives tests full control."""

from __future__ import annotations

import socket
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from airflow_polly_provider.emulator.testing import RunningEmulator

_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/{service}/aws4_request"


class Http2Client:
    """One connection to an emulator.

    :param port: the port of the emulator
    :param reads: whether received body data is acknowledged immediately, so that the server sends more
    """

    def __init__(self, port: int, *, reads: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        config = h2.config.H2Configuration(validate_outbound_headers=False, header_encoding="utf-8")
        self.http = h2.connection.H2Connection(config)
        self.host = f"127.0.0.1:{port}"
        self._reads = reads
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.has_goaway = False
        self.is_closed = False
        self.http.initiate_connection()
        self.flush()

    @classmethod
    def of(cls, emulator: RunningEmulator, *, reads: bool = True) -> Http2Client:
        """Connect to a running emulator."""
        port = urlsplit(emulator.endpoint_url).port
        assert port is not None
        return cls(port, reads=reads)

    def __enter__(self) -> Http2Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def flush(self) -> None:
        """Send the pending frames."""
        self.socket.sendall(self.http.data_to_send())

    def send_request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        service: str = "polly",
        ends: bool = True,
        more: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """Send a request, and return the id of its stream.

        :param method: HTTP method, such as ``GET``
        :param path: path with the query
        :param body: body of at most one frame
        :param service: service that the request is signed for
        :param ends: whether the request is complete
        :param more: additional headers
        """
        number = self.http.get_next_available_stream_id()
        head = [
            (":method", method),
            (":path", path),
            (":scheme", "http"),
            (":authority", self.host),
            ("authorization", _AUTHORIZATION.format(service=service)),
            *more,
        ]
        self.http.send_headers(number, head, end_stream=ends and not body)
        if body:
            self.http.send_data(number, body, end_stream=ends)
        self.flush()
        return number

    def read_until(self, done: Callable[[], bool]) -> None:
        """Read until a condition is true or the server has closed the connection."""
        while not done() and not self.is_closed:
            try:
                data = self.socket.recv(65536)
                for event in self.http.receive_data(data):
                    self._take(event)
                self.flush()
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            self.is_closed = not data

    def answer(self, number: int) -> tuple[dict[str, str], bytes]:
        """Wait for the response on a stream, and return its headers and body."""
        self.read_until(lambda: number in self.ended)
        assert number in self.ended
        return self.heads[number], bytes(self.bodies[number])

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            self.bodies[event.stream_id] += event.data
            if self._reads:
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset.add(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.has_goaway = True
