"""An S3 over HTTP whose objects are generated, so that they can be larger than the memory."""

from __future__ import annotations

import json
import random
import re
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not a power of two, so that a block at a wrong offset has wrong bytes.
_PERIOD = 1_000_003
_PATTERN = random.Random(1).randbytes(_PERIOD)
_BLOCK = memoryview(_PATTERN * 2)


def bytes_at(start: int, length: int) -> bytes:
    """Return a part of every object, of at most a million bytes."""
    offset = start % _PERIOD
    return bytes(_BLOCK[offset : offset + length])


class LargeS3(ThreadingHTTPServer):
    """Answers GET and HEAD requests for objects whose key begins with their size, as in ``1000-name.mp3``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.closed_early = threading.Event()
        """Set when a client closes its connection before it has all bytes."""
        self.bytes_sent = 0

    @property
    def airflow_connection(self) -> str:
        """The value of ``AIRFLOW_CONN_…``."""
        extra = {
            "endpoint_url": f"http://127.0.0.1:{self.server_address[1]}",
            "region_name": "eu-west-1",
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
        return json.dumps({"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra})

    def handle_error(self, *_: object) -> None:
        """Print nothing if a listener has closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LargeS3

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        size = int(self.path.rpartition("/")[2].partition("-")[0])
        first, last, status = 0, size - 1, 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last, status = int(asked[1]), min(int(asked[2] or size), size - 1), 206
        self.send_response(status)
        self.send_header("Content-Type", "audio/mpeg")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", '"large"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        place = first
        try:
            while place <= last:
                offset = place % _PERIOD
                length = min(_PERIOD, last + 1 - place)
                self.wfile.write(_BLOCK[offset : offset + length])
                place += length
                self.server.bytes_sent += length
        except OSError:
            self.server.closed_early.set()
            self.close_connection = True
            with suppress(OSError):
                self.wfile.close()


@contextmanager
def large_s3() -> Iterator[LargeS3]:
    """Run the server in a thread."""
    server = LargeS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
