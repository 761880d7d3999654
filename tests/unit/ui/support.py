"""Stubs of the table of XComs and of S3, and a client of the application."""

from __future__ import annotations

import datetime
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse, HTTPHeaders
from fastapi.testclient import TestClient

from airflow_polly_provider.ui.app import create_app, router
from airflow_polly_provider.ui.xcoms import TaskInstanceId, TaskXComs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest

DAG, RUN, TASK = "speech", "manual__2026-01-02T03:04:05+00:00", "speak"
PAGE = f"/dags/{DAG}"
CONNECTION: dict[str, Any] = {
    "AwsConnId": "aws_default",
    "RegionName": None,
    "Verify": None,
    "CustomEndpoint": False,
}
BUCKET = "bucket"
AUDIO = f"s3://{BUCKET}/audio/hello.mp3"
RESULT: dict[str, Any] = {
    "TaskId": "00000000-0000-4000-8000-000000000001",
    "TaskStatus": "completed",
    "OutputS3Uri": AUDIO,
    "VoiceId": "Amy",
    "Engine": "neural",
    "LanguageCode": "en-GB",
    "OutputFormat": "mp3",
    "SampleRate": "24000",
    "RequestCharacters": 12,
    "SpokenCharacters": 10,
    "DurationSeconds": 1.5,
    "EstimatedCost": 0.000192,
}
COMPLETED: dict[str, Any] = {
    "AwsConnection": CONNECTION,
    "TaskStatus": "completed",
    "OutputS3Uri": AUDIO,
    "return_value": RESULT,
}
_FIRST = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


class XComs:
    """The XComs that tasks have pushed, in the order of the pushes."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[TaskInstanceId, TaskXComs]] = {}
        self.reads = 0
        self.is_cut = False

    def push(
        self, values: dict[str, Any], task_id: str = TASK, map_index: int = -1, run_id: str = RUN
    ) -> TaskInstanceId:
        instance = TaskInstanceId(task_id, map_index)
        run = self.rows.setdefault((DAG, run_id), {})
        run[instance] = TaskXComs(dict(values), _FIRST + datetime.timedelta(seconds=len(run)))
        return instance

    def read(
        self, dag_id: str, run_id: str, only: TaskInstanceId | None = None
    ) -> tuple[dict[TaskInstanceId, TaskXComs], bool]:
        self.reads += 1
        rows = self.rows.get((dag_id, run_id), {})
        return {instance: rows[instance] for instance in rows if only in (None, instance)}, self.is_cut


@dataclass
class FakeS3:
    """Answers requests for objects as S3 does, without a network."""

    objects: dict[str, bytes] = field(default_factory=dict)
    """The content of each object, by ``bucket/key``."""
    content_types: dict[str, str] = field(default_factory=dict)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and error code of the next answers."""
    always: tuple[int, str] | None = None
    """Status and error code of all answers."""
    requests: list[AWSPreparedRequest] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    """The bodies of the successful answers to GetObject."""

    def put(self, uri: str, content: bytes, content_type: str = "audio/mpeg") -> None:
        name = uri.removeprefix("s3://")
        self.objects[name] = content
        self.content_types[name] = content_type

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.requests.append(request)
        if refusal := self.refusals.pop(0) if self.refusals else self.always:
            return self._refuse(request, *refusal)
        url = urlsplit(request.url)
        host = url.hostname or ""
        bucket = host.partition(".s3.")[0]
        path = unquote(url.path).removeprefix("/")
        name = path if bucket == host else f"{bucket}/{path}"
        if name not in self.objects:
            return self._refuse(request, 404, "NoSuchKey")
        return self._send(request, self.objects[name], self.content_types[name])

    def _send(self, request: AWSPreparedRequest, content: bytes, content_type: str) -> AWSResponse:
        etag = f'"{len(content)}"'
        if (expected := _header(request, "If-Match")) and expected != etag:
            return self._refuse(request, 412, "PreconditionFailed")
        status, sent = 200, content
        headers = HTTPHeaders()
        if asked := re.fullmatch(r"bytes=(\d*)-(\d*)", _header(request, "Range")):
            first, last = asked.groups()
            start = int(first) if first else max(len(content) - int(last), 0)
            end = min(int(last), len(content) - 1) if first and last else len(content) - 1
            if start >= len(content) or (last == "0" and not first):
                return self._refuse(
                    request, 416, "InvalidRange", f"<ActualObjectSize>{len(content)}</ActualObjectSize>"
                )
            status, sent = 206, content[start : end + 1]
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        headers["ETag"] = etag
        headers["Content-Type"] = content_type
        headers["Content-Length"] = str(len(sent))
        body = Body(b"" if request.method == "HEAD" else sent)
        if request.method != "HEAD":
            self.bodies.append(body)
        return AWSResponse(request.url, status, headers, body)

    def _refuse(self, request: AWSPreparedRequest, status: int, code: str, more: str = "") -> AWSResponse:
        error = f"<Error><Code>{code}</Code><Message>no</Message>{more}</Error>".encode()
        return AWSResponse(
            request.url, status, HTTPHeaders(), Body(b"" if request.method == "HEAD" else error)
        )


class Body(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _header(request: AWSPreparedRequest, name: str) -> str:
    value: Any = request.headers.get(name) or ""
    return value.decode() if isinstance(value, bytes) else str(value)


def listener() -> TestClient:
    """Return a client whose user may read the XComs of all DAGs."""
    app = create_app()
    (permission,) = router.dependencies
    assert permission.dependency is not None
    app.dependency_overrides[permission.dependency] = lambda: None
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


def asked(task_id: str = TASK, map_index: int = -1, **more: str) -> dict[str, str]:
    """Return the parameters that name a track."""
    return {"run_id": RUN, "task_id": task_id, "map_index": str(map_index), **more}
