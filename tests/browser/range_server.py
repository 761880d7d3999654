"""A web server for a folder, which answers Range requests like S3 and most web servers."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from os import SEEK_END
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_CHUNK_BYTES = 1 << 16


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.translate_path(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            super().do_GET()
            return
        try:
            file = open(path, "rb")  # noqa: SIM115  # closed below
        except OSError:
            self.send_error(404)
            return
        with file:
            size = file.seek(0, SEEK_END)
            first = int(asked[1])
            last = min(int(asked[2] or size), size - 1)
            if first > last:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Length", str(last + 1 - first))
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            file.seek(first)
            while chunk := file.read(min(_CHUNK_BYTES, last + 1 - file.tell())):
                self.wfile.write(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore that a browser breaks off a response, when it has enough or seeks elsewhere."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # any request


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder until the end of the ``with`` block, and yield the server's URL.

    :param folder: its files, also those that are added later
    """
    with _Server(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
