"""The web application that Airflow's API server mounts at ``/polly``. It imports FastAPI, which is slow."""

from __future__ import annotations

import json
import logging
import re
from functools import partial
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from anyio import CapacityLimiter, to_thread
from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
)
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as AnyHTTPException

from airflow_polly_provider.settings import listen_audio
from airflow_polly_provider.ui.library import Library
from airflow_polly_provider.ui.objects import ObjectError, Objects
from airflow_polly_provider.ui.s3_clients import S3Clients
from airflow_polly_provider.ui.tracks import NotAvailableError, Track, is_number
from airflow_polly_provider.ui.xcoms import TaskInstanceId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_polly_provider.ui.objects import Audio

log = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 16
"""How many requests of the tab to Airflow's database and to S3 run at the same time in one API server."""

_PAGE = "listen"
_PAGE_FILE = re.compile(r"listen\.html|[a-z_]+\.(js|css)")
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
_SENTENCES = {
    401: "You are not logged in. Log in to Airflow, and reload this page.",
    403: "You have no permission to read the XComs of this DAG. Ask an administrator of Airflow.",
    404: "There is no such page. Correct its address.",
    405: "This page only answers GET requests.",
}

_FAILED = "The server failed. Reload the page. If it fails again, look at the log of Airflow's API server."
# PostgreSQL accepts no null character in a text.
_TEXT = r"^[^\x00]+$"

# What the browser may name. Everything else comes from XComs.
DagId = Annotated[str, Path(max_length=1_000, pattern=_TEXT)]
RunId = Annotated[str, Query(max_length=1_000, pattern=_TEXT)]
TaskId = Annotated[str, Query(max_length=1_000, pattern=_TEXT)]
MapIndex = Annotated[int, Query(ge=-1, le=2**31 - 1)]
Item = Annotated[str | None, Query(max_length=10_000)]

router = APIRouter(
    prefix="/dags/{dag_id}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.XCOM))]
)


def create_app() -> FastAPI:
    """Return the application.

    Each of its routes needs the permission to read the XComs of the DAG in its path.
    """
    app = FastAPI(title="Listen", docs_url=None, redoc_url=None, openapi_url=None)
    clients = S3Clients()
    app.state.library, app.state.objects, app.state.limiter = Library(clients), Objects(clients), None
    app.include_router(router)
    app.add_middleware(_SecureHeaders)
    app.exception_handler(AnyHTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(ObjectError)(_without_object)
    app.exception_handler(NotAvailableError)(_not_available)
    return app


async def _in_thread(request: Request, work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work, or work that takes long, in one of the few threads that the tab has.

    Airflow answers its own requests in other threads. So an S3 that does not respond blocks only the tab.
    """
    state = request.app.state
    if state.limiter is None:
        state.limiter = CapacityLimiter(THREADS)
    return await to_thread.run_sync(work, *arguments, limiter=state.limiter)


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


def _objects(request: Request) -> Objects:
    objects: Objects = request.app.state.objects
    return objects


async def _asked_track(
    request: Request,
    dag_id: DagId,
    run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = -1,
    item: Item = None,
) -> Track:
    instance = TaskInstanceId(task_id, map_index)
    return await _in_thread(request, _library(request).track, dag_id, run_id, instance, item)


AskedTrack = Annotated[Track, Depends(_asked_track)]


@router.get("/task")
async def task(
    request: Request, dag_id: DagId, run_id: RunId, task_id: TaskId, map_index: MapIndex = -1
) -> Response:
    """Return the playlist of a task instance."""
    instance = TaskInstanceId(task_id, map_index)
    library = _library(request)
    return await _in_thread(request, lambda: _JSON(library.task_playlist(dag_id, run_id, instance)))


@router.get("/run")
async def run(request: Request, dag_id: DagId, run_id: RunId) -> Response:
    """Return the playlist of a DAG run."""
    library = _library(request)
    return await _in_thread(request, lambda: _JSON(library.run_playlist(dag_id, run_id)))


@router.api_route("/audio", methods=["GET", "HEAD"])
async def audio(request: Request, track: AskedTrack) -> Response:
    """Return the audio of a track, or the range of it that the request asks for."""
    connection, location = track.audio_source()
    objects = _objects(request)
    if request.method == "HEAD":
        return Response(headers=await _in_thread(request, objects.audio_headers, connection, location))
    if listen_audio() == "presigned":
        url = await _in_thread(request, objects.presigned_url, connection, location)
        return RedirectResponse(url, status_code=307)
    asked = partial(
        objects.audio, range_header=request.headers.get("Range"), etag=request.headers.get("If-Range")
    )
    found = await _in_thread(request, asked, connection, location)
    return _AudioResponse(found, partial(_in_thread, request, found.read))


@router.get("/captions")
async def captions(request: Request, track: AskedTrack) -> Response:
    """Return the WebVTT captions of a track."""
    content = await _in_thread(request, _objects(request).content, *track.source(track.captions, "captions"))
    if not content.removeprefix(b"\xef\xbb\xbf").startswith(b"WEBVTT"):
        raise ObjectError(502, "The captions are not a WebVTT file.")
    return Response(content, media_type="text/vtt; charset=utf-8")


@router.get("/transcript")
async def transcript(request: Request, track: AskedTrack) -> Response:
    """Return the transcript of a track."""
    return await _in_thread(request, _transcript, _objects(request), track)


def _transcript(objects: Objects, track: Track) -> Response:
    segments = objects.json_list(*track.source(track.transcript, "transcript"), member="segments")
    return _JSON({"segments": [each for each in segments if isinstance(each, dict)]})


@router.get("/chapters")
async def chapters(request: Request, track: AskedTrack) -> Response:
    """Return the chapters of a track."""
    return await _in_thread(request, _chapters, _objects(request), track)


def _chapters(objects: Objects, track: Track) -> Response:
    if track.chapters:
        found = [_chapter(each, "Title", "Level", "StartSeconds") for each in track.chapters]
    else:
        listed = objects.json_list(*track.source(track.chapters_location, "chapters"), member="chapters")
        found = [_chapter(each, "title", "level", "startTime") for each in listed]
    return _JSON({"chapters": [each for each in found if each is not None]})


@router.get("/{name}")
def page_file(name: str) -> Response:
    """Return the page, or a file that it loads."""
    file = "listen.html" if name == _PAGE else name
    stored = files("airflow_polly_provider.ui") / "page" / file
    if not (_PAGE_FILE.fullmatch(file) and stored.is_file()):
        raise HTTPException(404)
    return Response(stored.read_bytes(), media_type=_CONTENT_TYPES[PurePosixPath(file).suffix])


def _chapter(chapter: Any, title: str, level: str, start: str) -> dict[str, Any] | None:
    """Return a chapter for the page; None if the given chapter has no valid start."""
    given = chapter if isinstance(chapter, dict) else {}
    if not is_number(seconds := given.get(start)):
        return None
    named, depth = given.get(title), given.get(level)
    return {
        "title": named if isinstance(named, str) else None,
        "level": depth if isinstance(depth, int) and is_number(depth) else 1,
        "start": seconds,
    }


class _JSON(JSONResponse):
    """A response in ASCII: texts of XComs and files can contain characters that UTF-8 cannot encode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


async def _chunks(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while chunk := await read():
        yield chunk


class _AudioResponse(StreamingResponse):
    """Streams audio. The request to S3 ends with the response, also if the listener disconnects.

    :param audio: the audio
    :param read: reads the next bytes in a thread
    """

    def __init__(self, audio: Audio, read: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__(_chunks(read), status_code=audio.status, headers=audio.headers)
        self._audio = audio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._audio.close()


class _SecureHeaders:
    """Adds the headers that protect the page and its data to every response, also after unexpected errors.

    :param app: the application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = str(scope.get("path", "")).endswith(f"/{_PAGE}")
        has_started = False

        async def send_secured(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                MutableHeaders(scope=message).update(_page_headers() if is_page else _HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, send_secured)
        except Exception:
            if has_started or scope["type"] != "http":
                raise
            log.exception("The request for %r failed", scope["path"])
            await _sentence(Request(scope), 500, _FAILED)(scope, receive, send_secured)


_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def _page_headers() -> dict[str, str]:
    media = "'self' https: http:" if listen_audio() == "presigned" else "'self'"
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; media-src {media}; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    return {**_HEADERS, "Content-Security-Policy": policy}


def _sentence(
    request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    if request.url.path.endswith(f"/{_PAGE}"):
        return PlainTextResponse(sentence, status_code=status, headers=headers)
    return _JSON({"detail": sentence}, status_code=status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    return _sentence(request, status, _SENTENCES.get(status, str(detail)), getattr(error, "headers", None))


async def _invalid(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    names = ", ".join(sorted({str(each["loc"][-1]) for each in errors}))
    return _sentence(request, 422, f"The address of this page is not valid. Correct or add: {names}.")


async def _without_object(request: Request, error: Exception) -> Response:
    status, headers = (error.status, error.headers) if isinstance(error, ObjectError) else (502, None)
    return _sentence(request, status, str(error), headers)


async def _not_available(request: Request, error: Exception) -> Response:
    return _sentence(request, 404, str(error))
