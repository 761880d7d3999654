"""Detection of a connection's HTTP version from its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.http.connection import Connection
from airflow_polly_provider.emulator.http.http1 import Http1Connection
from airflow_polly_provider.emulator.http.http2 import PREFACE, Http2Connection

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.http.messages import Response


class Opening(Connection):
    """A new connection. Its first bytes determine which connection class replaces it.

    A client that uses HTTP/2 without TLS begins with a fixed preface ("prior knowledge", RFC 9113, section
    3.3). The JavaScript SDK does so when it calls Polly.
    """

    _received = b""

    def data_received(self, data: bytes) -> None:
        """Read bytes until the version is known."""
        assert self._transport is not None
        self._received += data
        if len(self._received) < len(PREFACE) and PREFACE.startswith(self._received):
            return
        version = Http2Connection if self._received.startswith(PREFACE) else Http1Connection
        connection = version(self._listener)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        self._listener.connections.discard(self)
        connection.data_received(self._received)

    def _is_answering(self) -> bool:
        return False

    def _is_within_request(self) -> bool:
        return bool(self._received)

    def _give_up_request(self, answer: Response) -> None:
        self.abort()

    def _close(self) -> None:
        self.abort()
