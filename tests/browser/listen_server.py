"""A stand-in for the server of the *Listen* tab, which answers the page's requests with a test's data."""

from __future__ import annotations

import json
import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import airflow_polly_provider.ui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(airflow_polly_provider.ui.__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# What Airflow's UI sets for the frame of a plugin.
SANDBOX = "allow-scripts allow-same-origin allow-forms"
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
RUN_ID = "manual__2026-11-27T00:58:29+00:00"


@dataclass(kw_only=True)
class Speech:
    """One track, with what the routes for it answer.

    :param track: the members of the track that differ from those of a completed task ``speak``
    :param audio: an mp3 file
    :param captions: a WebVTT file
    :param transcript: a JSON transcript
    :param chapters: the list of chapters
    """

    track: dict[str, Any] = field(default_factory=dict)
    audio: bytes | None = None
    captions: str | None = None
    transcript: dict[str, Any] | None = None
    chapters: list[dict[str, Any]] | None = None

    def json(self) -> dict[str, Any]:
        """Return the track in the form of the JSON routes."""
        return {
            "task_id": "speak",
            "map_index": -1,
            "item": None,
            "status": "completed",
            "unchanged": False,
            "playable": self.audio is not None,
            "downloadable": self.audio is not None,
            "reason": None,
            "voice": "Amy",
            "engine": "neural",
            "language": "en-GB",
            "format": "mp3",
            "sample_rate": "24000",
            "characters": 1439,
            "spoken_characters": 1439,
            "seconds": None,
            "cost": None,
            "synthesis_task_id": "86f36890-d66b-4994-9d44-6f935ac824fc",
            "s3_uri": "s3://polly-demo/audio/speak.mp3",
            "captions": self.captions is not None,
            "transcript": self.transcript is not None,
            "chapters": self.chapters is not None,
        } | self.track


def playlist(speeches: Iterable[Speech], messages: Iterable[str] = ()) -> dict[str, Any]:
    """Return the answer of the routes ``task`` and ``run``."""
    tracks = [speech.json() for speech in speeches]

    def total(name: str) -> Any:
        known = [track[name] for track in tracks if track[name] is not None]
        return sum(known) if known else None

    return {
        "tracks": tracks,
        "totals": {
            "tracks": len(tracks),
            "completed": sum(track["status"] == "completed" for track in tracks),
            "failed": sum(track["status"] == "failed" for track in tracks),
            "unchanged": sum(track["unchanged"] for track in tracks),
            "seconds": total("seconds"),
            "characters": total("characters"),
            "cost": total("cost"),
        },
        "messages": list(messages),
    }


@dataclass(kw_only=True)
class ListenSite:
    """The server's content.

    :param url: the server's URL
    :param dag_id: the only DAG
    :param run_id: its only run
    :param speeches: its tracks
    :param messages: sentences of every playlist
    :param errors: for a route, the status and the body of an error
    :param frame: the document at ``/frame``
    :param requested: the paths and queries of all requests
    """

    url: str
    dag_id: str = "books"
    run_id: str = RUN_ID
    speeches: list[Speech] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: dict[str, tuple[int, Any]] = field(default_factory=dict)
    frame: str = ""
    requested: list[str] = field(default_factory=list)

    def page_url(self, task_id: str | None = None, map_index: int | str = -1) -> str:
        """Return the URL of the page of a task, or of the run, as Airflow 3.2 encodes it."""
        query = f"run_id={quote(self.run_id, safe='')}"
        if task_id is not None:
            query += f"&task_id={quote(task_id, safe='')}&map_index={quote(str(map_index), safe='')}"
        return self.raw_url(query)

    def raw_url(self, query: str) -> str:
        """Return the URL of the page with a query."""
        return f"{self.url}/polly/dags/{quote(self.dag_id, safe='')}/listen?{query}"

    def frame_url(self, page_url: str, *, sandbox: str = SANDBOX, theme: str = "light") -> str:
        """Return the URL of a page that shows the page in a frame, as Airflow's UI does."""
        self.frame = (
            f'<!doctype html><html class="{theme}"><title>Airflow</title><link rel="icon" href="data:,">'
            f'<iframe sandbox="{sandbox}" src="{escape(page_url)}" width="930" height="600"></iframe></html>'
        )
        return f"{self.url}/frame"

    def answer(self, route: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        """Return the status, the media type and the body for a data route."""
        if route in self.errors:
            status, body = self.errors[route]
            return status, "application/json", json.dumps(body).encode()
        if query.get("run_id") != self.run_id:
            return not_found("There is no such run.")
        if route in ("task", "run"):
            found = [speech for speech in self.speeches if route == "run" or _is_of_task(speech, query)]
            body = playlist(found, self.messages)
            return 200, "application/json", json.dumps(body).encode()
        for speech in self.speeches:
            if _is_of_task(speech, query) and speech.json()["item"] == query.get("item"):
                return _file(speech, route)
        return not_found("There is no such track.")


def not_found(detail: str) -> tuple[int, str, bytes]:
    """Return a 404 answer."""
    return 404, "application/json", json.dumps({"detail": detail}).encode()


def _is_of_task(speech: Speech, query: dict[str, str]) -> bool:
    track = speech.json()
    return [track["task_id"], str(track["map_index"])] == [query.get("task_id"), query.get("map_index")]


def _file(speech: Speech, route: str) -> tuple[int, str, bytes]:
    if route == "audio" and speech.audio is not None:
        return 200, "audio/mpeg", speech.audio
    if route == "captions" and speech.captions is not None:
        return 200, "text/vtt; charset=utf-8", speech.captions.encode()
    if route == "transcript" and speech.transcript is not None:
        return 200, "application/json", json.dumps(speech.transcript).encode()
    if route == "chapters" and speech.chapters is not None:
        return 200, "application/json", json.dumps({"chapters": speech.chapters}).encode()
    return not_found(f"This track has no {route}.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site: ListenSite, *args: Any) -> None:
        self.site = site
        super().__init__(*args)

    def do_GET(self) -> None:
        self.site.requested.append(self.path)
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/frame":
            self._send(200, "text/html; charset=utf-8", self.site.frame.encode(), policy=None)
            return
        folder, _, name = url.path.rpartition("/")
        if unquote(folder) != f"/polly/dags/{self.site.dag_id}":
            self._send(*not_found("There is no such page."))
            return
        file = PAGE / ("listen.html" if name == "listen" else name)
        if name == "listen" and name in self.site.errors:
            self._send(*self.site.answer(name, query))
        elif file.is_file():
            self._send(200, f"{TYPES[file.suffix]}; charset=utf-8", file.read_bytes())
        else:
            self._send(*self.site.answer(name, query))

    def _send(self, status: int, media_type: str, body: bytes, policy: str | None = POLICY) -> None:
        part = body
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        is_range = status == 200 and media_type.startswith("audio/") and wanted is not None
        if is_range and wanted is not None:
            first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
            part = body[first : last + 1]
            status = 206 if part else 416
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore that a browser breaks off a response."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # any request


@contextmanager
def listen_site() -> Iterator[ListenSite]:
    """Serve an empty site until the end of the ``with`` block."""
    site = ListenSite(url="")
    with _Server(("127.0.0.1", 0), partial(_Handler, site)) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
