"""What the tests of the batch's engine share: items, an account of Polly, a bucket, and a clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch.items import BatchItem
from airflow_polly_provider.batch.job import Job, new_record
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.start.token import request_digest
from tests.unit.batch.fake_s3 import BUCKET, FakeS3, etag_of, refusal, respond
from tests.unit.support import Refusal, new_id, polly_mp3, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from airflow_polly_provider.batch.manifest import Manifest
    from tests.unit.support import Answer, Request, Wire

PREFIX = "podcasts/episode/"
MANIFEST = S3Location(BUCKET, "manifest.json")
S3_PARAMETERS: dict[str, Any] = {"aws_conn_id": "aws_default"}
HOST = "https://s3.eu-west-1.amazonaws.com/"


class Clock:
    """A clock that ``sleep`` advances, and each look at it by ``step`` seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0

    def monotonic(self) -> float:
        self.now += self.step
        return self.now

    time = monotonic

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def item(number: int = 0, *, key: str | None = None, **fields: Any) -> BatchItem:
    """Return an item. ``fields`` are attributes of BatchItem, or parameters of the request."""
    own = {name: fields.pop(name) for name in list(fields) if name in BatchItem.__slots__}
    request = {
        "Engine": "neural",
        "OutputFormat": "mp3",
        "OutputS3BucketName": BUCKET,
        "OutputS3KeyPrefix": PREFIX,
        "Text": f"Text {number}",
        "VoiceId": "Amy",
    } | fields
    request = {name: value for name, value in request.items() if value is not None}
    given: dict[str, Any] = {
        "id": f"item-{number}",
        "digest": request_digest(request),
        "request": request,
        "characters": len(request["Text"]),
        "wav": None,
        "output_s3_key": key,
        "keep_original": False,
        "skip_if_unchanged": False,
    } | own
    return BatchItem(**given)


def job(number: int = 0, **fields: Any) -> Job:
    one = item(number, **fields)
    return Job(one, new_record(one, {}))


def jobs(count: int, **fields: Any) -> list[Job]:
    return [job(number, **fields) for number in range(count)]


def hook() -> PollyHook:
    return PollyHook(aws_conn_id="aws_default")


def text_of(request: Request) -> str:
    return str(request.body["Text"])


class Polly:
    """Answers like an account of Polly, whose synthesis tasks do not end by themselves.

    :param wire: answers the requests with this account
    """

    def __init__(self, wire: Wire) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        """All synthesis tasks by TaskId, oldest first."""
        self.asked: list[str] = []
        """The text of each start request, in the order of arrival."""
        self.status = "scheduled"
        """The status of a synthesis task that is started now."""
        self.refuse: Callable[[str], Answer | None] = lambda text: None
        """Called with the text of a start request; returns an answer in place of a start."""
        self.lose: Callable[[str], Answer | None] = lambda text: None
        """The same, after the start: the answer replaces the response."""
        self.refuse_list: Answer | None = None
        self.wire = wire
        self._lock = threading.Lock()
        wire.answer = self.answer

    @property
    def started(self) -> list[str]:
        """The texts of all synthesis tasks, oldest first."""
        return [task["_text"] for task in self.tasks.values()]

    def add(self, job: Job, prefix: str | None, status: str = "scheduled") -> str:
        """Start the synthesis task of a job, and return its TaskId."""
        return str(self._start({**job.item.request, "OutputS3KeyPrefix": prefix}, status)["TaskId"])

    def end(self, status: str = "completed", **fields: Any) -> None:
        """End all synthesis tasks that have not ended."""
        for task in self.tasks.values():
            if task["TaskStatus"] in ("scheduled", "inProgress"):
                task.update(TaskStatus=status, **fields)

    def count(self, operation: str) -> int:
        return sum(request.operation.startswith(operation) for request in self.wire.requests)

    def answer(self, request: Request) -> Answer:
        if request.operation.startswith("Start"):
            text = text_of(request)
            with self._lock:
                self.asked.append(text)
            refused = self.refuse(text)
            if refused is not None:
                return refused
            with self._lock:
                started = self._start(request.body, self.status)
            return self.lose(text) or _shown(started)
        if request.operation.startswith("List"):
            status = request.query.get("Status")
            listed = [task for task in self.tasks.values() if not status or [task["TaskStatus"]] == status]
            return self.refuse_list or {"SynthesisTasks": [_shown(task) for task in listed]}
        known = self.tasks.get(request.synthesis_task_id)
        return Refusal("SynthesisTaskNotFoundException") if known is None else _shown(known)

    def _start(self, body: dict[str, Any], status: str) -> dict[str, Any]:
        task_id, prefix = new_id(), body.get("OutputS3KeyPrefix")
        key = f"{prefix}.{task_id}.mp3" if prefix else f"{task_id}.mp3"
        self.tasks[task_id] = synthesis_task(
            task_id,
            status,
            Engine=body.get("Engine", "standard"),
            OutputUri=f"{HOST}{body['OutputS3BucketName']}/{key}",
            CreationTime=datetime.now(tz=UTC),
            RequestCharacters=len(body["Text"]),
            _text=body["Text"],
        )
        return self.tasks[task_id]


def _shown(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "_text"}


def key_of(output_uri: str | None) -> str:
    """Return the key of an object in the tests' bucket."""
    return str(output_uri).removeprefix(f"{HOST}{BUCKET}/")


class Bucket(FakeS3):
    """A bucket that also copies objects, keeps their metadata, and returns ranges."""

    def __init__(self) -> None:
        super().__init__()
        self.metadata: dict[str, dict[str, str]] = {}

    def add(self, *keys: str) -> None:
        """Put 3 s of audio at keys."""
        for key in keys:
            self.objects[key] = polly_mp3()

    def _perform(self, request: AWSPreparedRequest, method: str, key: str) -> AWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        if source := headers.get("x-amz-copy-source"):
            return self._copy(unquote(source).partition("/")[2], key, headers)
        if method not in ("GET", "HEAD") or key not in self.objects or "if-match" in headers:
            return super()._perform(request, method, key)
        content = self.objects[key]
        shown = {"ETag": etag_of(content), "Content-Type": "audio/mpeg", **self.metadata.get(key, {})}
        if method == "HEAD":
            return respond(200, b"", **{**shown, "Content-Length": str(len(content))})
        if "range" not in headers:
            return respond(200, content, **shown)
        last = int(headers["range"].rpartition("-")[2])
        part = content[: last + 1]
        return respond(206, part, **shown, **{"Content-Range": f"bytes 0-{len(part) - 1}/{len(content)}"})

    def _copy(self, source: str, key: str, headers: dict[str, str]) -> AWSResponse:
        if source not in self.objects:
            return refusal(404, "NoSuchKey")
        self.objects[key] = self.objects[source]
        self.metadata[key] = {
            name: value for name, value in headers.items() if name.startswith("x-amz-meta-")
        }
        etag = etag_of(self.objects[key])
        body = f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"
        return respond(200, body.encode())


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def s3_access() -> S3Access:
    return S3Access(S3_PARAMETERS)


def store_in(bucket: FakeS3) -> ManifestStore:
    return ManifestStore(bucket.client, MANIFEST)


def saved_in(bucket: FakeS3) -> Manifest:
    """Return the manifest that is stored in the bucket."""
    manifest = store_in(bucket).load()
    assert manifest is not None
    return manifest


def own_threads() -> list[str]:
    """Return the names of the engine's threads that run."""
    names = tuple(f"polly-{part}" for part in ("start_", "finish", "statuses", "look"))
    return [each.name for each in threading.enumerate() if each.name.startswith(names)]
