"""Helpers that answer real botocore clients inside the test process, without a network."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.model import StringShape, StructureShape
from botocore.validate import validate_parameters

from airflow_polly_provider.compat import TaskDeferred
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.model import Shape

    from airflow_polly_provider.compat import Context

CREATED = datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ROUTES = {"POST": "StartSpeechSynthesisTask", "GET": "GetSpeechSynthesisTask"}
MODEL = botocore.session.get_session().get_service_model("polly")
AMY: Any = {"Id": "Amy", "LanguageCode": "en-GB", "SupportedEngines": ["standard", "neural"]}
ADITI: Any = {
    "Id": "Aditi",
    "LanguageCode": "en-IN",
    "AdditionalLanguageCodes": ["hi-IN"],
    "SupportedEngines": ["standard"],
}


def members_of(shape_name: str) -> dict[str, Shape]:
    """Return the members of a structure in Polly's service model."""
    shape = MODEL.shape_for(shape_name)
    assert isinstance(shape, StructureShape)
    return dict(shape.members)


def values_of(shape_name: str) -> list[str]:
    """Return the values of an enum in Polly's service model."""
    shape = MODEL.shape_for(shape_name)
    assert isinstance(shape, StringShape)
    return list(shape.enum)


NEWER_FORMATS = frozenset({"ogg_opus", "mulaw", "alaw"}) - set(values_of("OutputFormat"))
"""Output formats that the installed botocore does not support yet."""


def synthesis_task(synthesis_task_id: str = "t1", status: str = "completed", **fields: Any) -> dict[str, Any]:
    """Return a SynthesisTask as boto3 returns it."""
    return {
        "TaskId": synthesis_task_id,
        "TaskStatus": status,
        "OutputUri": f"https://s3.eu-west-1.amazonaws.com/bucket/audio.{synthesis_task_id}.mp3",
        "CreationTime": CREATED,
        "RequestCharacters": 5,
        "OutputFormat": "mp3",
        "VoiceId": "Amy",
        **fields,
    }


@dataclass(frozen=True)
class Refusal:
    """An error response of the service."""

    code: str
    status: int = 400
    message: str = "no"


@dataclass(frozen=True)
class Truncated:
    """A response whose body is not from Polly; empty by default."""

    body: bytes = b""
    status: int = 200


PAGE = Truncated("<html><body>Accès refusé</body></html>".encode("latin-1"))
"""A proxy's page, in the encoding that applies to a page that declares none."""

UNUSABLE = {
    "empty": Truncated(),
    "a proxy's page": PAGE,
    "an unavailable proxy's page": replace(PAGE, status=503),
    "a bad gateway's list": Truncated(b"[]", 502),
    "a redirect": replace(PAGE, status=302),
    "a redirect in UTF-8": Truncated(b"<html>Moved</html>", 307),
    "a refusal in another encoding": replace(PAGE, status=403),
    "a page that refuses": Truncated(b"<html>Blocked by policy</html>", 403),
    "a page that is not found": Truncated(b"<html>Not Found</html>", 404),
    "a page of a time-out": Truncated(b"<html>Request Time-out</html>", 408),
    "JSON of a gateway": Truncated(b'{"message": "Forbidden"}', 403),
    "an error code that is a number": Truncated(b'{"code": 17, "message": 5}', 400),
    "an error code that is an object": Truncated(b'{"__type": {}}', 400),
    "a list": Truncated(b"[1, 2]"),
    "a string": Truncated(b'"hello"'),
    "a number": Truncated(b"3"),
    "null": Truncated(b"null"),
    "JSON nested too deeply": Truncated(b"[" * 100_000),
    "a synthesis task that is a list": Truncated(b'{"SynthesisTask": [], "SynthesisTasks": 7}'),
    "null in place of synthesis tasks": Truncated(b'{"SynthesisTask": null, "SynthesisTasks": null}'),
    "a synthesis task without its id": Truncated(b'{"SynthesisTask": {"TaskStatus": "completed"}}'),
    "an id that is an object": Truncated(b'{"SynthesisTask": {"TaskId": {}, "TaskStatus": []}}'),
    "an invalid date": Truncated(
        b'{"SynthesisTask": {"TaskId": "t1", "TaskStatus": "completed", "CreationTime": "yesterday"},'
        b' "SynthesisTasks": [{"TaskId": "t1", "TaskStatus": "completed", "CreationTime": "yesterday"}]}'
    ),
    "a count that is not a number": Truncated(
        b'{"SynthesisTask": {"TaskId": "t1", "TaskStatus": "completed", "RequestCharacters": "many"}}'
    ),
    "an OutputUri that is a number": Truncated(
        b'{"SynthesisTask": {"TaskId": "t1", "TaskStatus": "completed", "OutputUri": 5}}'
    ),
}
"""Unusable answers to a request about a synthesis task: not from Polly, or unreadable."""


Answer = dict[str, Any] | Refusal | Truncated | Exception


@dataclass(frozen=True)
class Request:
    """A request that a client sent."""

    operation: str
    synthesis_task_id: str
    url: str
    body: dict[str, Any]
    query: dict[str, list[str]]
    region: str
    thread: str
    at: float


def polly_mp3(frames: int = 125) -> bytes:
    """Return a file in the form of Polly's mp3: a tag of 45 bytes, then frames of 24 ms, 48 kbit/s."""
    text_frame = b"TSSE" + (15).to_bytes(4, "big") + b"\x00\x00" + b"\x03Lavf58.45.100\x00"
    tag = b"ID3\x04\x00\x00" + (35).to_bytes(4, "big") + text_frame + bytes(10)
    return tag + frames * (b"\xff\xf3\x64\xc4" + bytes(140))


@dataclass
class Wire:
    """Answers every Polly request of the process, and S3's answers to requests for finished audio.

    Each answer is validated against botocore's output shape, so a test cannot use an answer that Polly would
    not give.
    """

    answer: Callable[[Request], Answer] = lambda request: synthesis_task(request.synthesis_task_id)
    may_list: bool = True
    delay_seconds: float = 0.0
    audio: bytes | Refusal | Exception = field(default_factory=polly_mp3)
    """Every object in S3: by default 3 s in the form of Polly's mp3."""
    s3_reads: list[AWSPreparedRequest] = field(default_factory=list)
    """The HeadObject and GetObject requests."""
    requests: list[Request] = field(default_factory=list)
    clients: set[int] = field(default_factory=set)

    def script(self, *answers: Answer) -> None:
        """Answer the requests about each id with these answers in turn, and repeat the last one."""
        asked: Counter[str] = Counter()

        def next_answer(request: Request) -> Answer:
            place = min(asked[request.synthesis_task_id], len(answers) - 1)
            asked[request.synthesis_task_id] += 1
            answer = answers[place]
            if isinstance(answer, dict):
                return {**answer, "TaskId": request.synthesis_task_id or answer["TaskId"]}
            return answer

        self.answer = next_answer

    def script_start(self, started: Answer, *later: Answer) -> None:
        """Answer each start with ``started`` and each status check with the next of ``later``.

        The last answer is repeated. Lists of synthesis tasks are empty.
        """
        checks = list(later)

        def next_answer(request: Request) -> Answer:
            if request.operation == "StartSpeechSynthesisTask":
                return started
            if request.operation == "ListSpeechSynthesisTasks":
                return {"SynthesisTasks": []}
            return checks.pop(0) if len(checks) > 1 else checks[0]

        self.answer = next_answer

    def count(self, synthesis_task_id: str) -> int:
        """Return the number of requests about one synthesis task."""
        return sum(request.synthesis_task_id == synthesis_task_id for request in self.requests)

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        synthesis_task_id = unquote(url.path.partition("/v1/synthesisTasks")[2].strip("/"))
        operation = ROUTES[request.method]
        if request.method == "GET" and not synthesis_task_id:
            operation = "ListSpeechSynthesisTasks"
        authorization = request.headers.get("Authorization", b"")
        scope = (authorization.decode() if isinstance(authorization, bytes) else authorization).split("/")
        seen = Request(
            operation=operation,
            synthesis_task_id=synthesis_task_id,
            url=request.url,
            body=json.loads(cast("bytes | str | None", request.body) or b"{}"),
            query=parse_qs(url.query),
            region=scope[2] if len(scope) > 2 else "",
            thread=threading.current_thread().name,
            at=time.monotonic(),
        )
        if operation == "ListSpeechSynthesisTasks" and not self.may_list:
            return respond(request.url, operation, Refusal("AccessDeniedException", 403))
        self.requests.append(seen)
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        answer = self.answer(seen)
        if isinstance(answer, Exception):
            raise answer
        return respond(request.url, operation, answer)

    def s3(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.s3_reads.append(request)
        if isinstance(self.audio, Exception):
            raise self.audio
        return read_range(request, self.audio)


def read_range(request: AWSPreparedRequest, content: bytes | Refusal) -> AWSResponse:
    """Answer a HeadObject request, or a GetObject request with a range, as S3 does."""
    headers = HTTPHeaders()
    is_head = request.method == "HEAD"
    if isinstance(content, Refusal):
        if is_head:
            return AWSResponse(request.url, content.status, headers, _Raw())
        error = f"<Error><Code>{content.code}</Code><Message>{content.message}</Message></Error>"
        return AWSResponse(request.url, content.status, headers, _Raw(error.encode()))
    if is_head:
        headers["Content-Length"] = str(len(content))
        return AWSResponse(request.url, 200, headers, _Raw())
    asked = request.headers["Range"]
    text = asked.decode() if isinstance(asked, bytes) else asked
    first, _, last = text.removeprefix("bytes=").partition("-")
    part = content[int(first) : int(last) + 1]
    headers["Content-Length"] = str(len(part))
    headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
    return AWSResponse(request.url, 206, headers, _Raw(part))


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def respond(url: str, operation: str, answer: dict[str, Any] | Refusal | Truncated) -> AWSResponse:
    headers = HTTPHeaders()
    headers["Content-Type"] = "application/json"
    if isinstance(answer, Truncated):
        return AWSResponse(url, answer.status, headers, _Raw(answer.body))
    if isinstance(answer, Refusal):
        headers["x-amzn-ErrorType"] = answer.code
        body, status = json.dumps({"message": answer.message}), answer.status
    else:
        output = answer if operation.startswith("List") else {"SynthesisTask": answer}
        shape = MODEL.operation_model(operation).output_shape
        assert shape is not None
        validate_parameters(output, shape)
        body, status = json.dumps(output, default=lambda moment: moment.timestamp()), 200
    return AWSResponse(url, status, headers, _Raw(body.encode()))


class RecordingTaskInstance:
    """The parts of a running task instance that an operator uses."""

    def __init__(self, **identity: Any) -> None:
        self.dag_id = identity.get("dag_id", "dag")
        self.run_id = identity.get("run_id", "run")
        self.task_id = identity.get("task_id", "speak")
        self.map_index = identity.get("map_index", -1)
        self.max_tries = identity.get("max_tries", 0)
        self.try_number = identity.get("try_number", 1)
        self.start_date = datetime.datetime.fromtimestamp(time.time(), tz=datetime.UTC)
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def context(**identity: Any) -> dict[str, Any]:
    """Return the parts of a running task's context that an operator uses."""
    ti = RecordingTaskInstance(**identity)
    return {
        "ti": ti,
        "task_instance": ti,
        "task": SimpleNamespace(retries=identity.get("retries", 0)),
        # From time.time(), because some tests stop its clock.
        "dag_run": SimpleNamespace(start_date=datetime.datetime.fromtimestamp(time.time(), tz=datetime.UTC)),
    }


def as_context(running_context: dict[str, Any]) -> Context:
    """Return a context with Airflow's type, for typed calls."""
    return cast("Context", running_context)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that the package logged as warnings.

    Airflow's own warnings are omitted, because they depend on the order of the tests: the first connection of
    a process warns about encryption.
    """
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and "airflow_polly_provider." in record.name
    ]


def own_entry_point(group: str) -> EntryPoint:
    """Return this provider's only entry point in a group."""
    (found,) = (
        entry for entry in entry_points(group=group) if entry.value.startswith("airflow_polly_provider.")
    )
    return found


@contextmanager
def recorded_hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PollyHook]]:
    """Record every PollyHook that is created."""
    made: list[PollyHook] = []
    original = PollyHook.__init__

    def recording(self: PollyHook, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(PollyHook, "__init__", recording)
        yield made


def connection(**extra: Any) -> str:
    """Return an AWS connection as the value of ``AIRFLOW_CONN_…``."""
    return json.dumps({"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra})


_numbers = itertools.count(1)


def new_id() -> str:
    """Return a TaskId that no other test uses."""
    return f"00000000-0000-4000-8000-{next(_numbers):012d}"


@contextmanager
def running(operator: Any) -> Iterator[None]:
    """Allow calls of ``operator.execute`` without a task runner, as Airflow's unit test mode does."""
    from airflow_polly_provider.compat import BaseOperator

    guard = sys.modules[BaseOperator.__module__].ExecutorSafeguard
    before, guard.test_mode = guard.test_mode, True
    try:
        yield
    finally:
        guard.test_mode = before


def execute(operator: Any, running_context: dict[str, Any] | None = None) -> Any:
    """Run an operator's ``execute`` without rendering its fields."""
    with running(operator):
        return operator.execute(running_context or context())


def start_operator(**arguments: Any) -> PollyStartSpeechSynthesisTaskOperator:
    """Return a start operator; ``arguments`` change or add to a valid set of arguments."""
    given: dict[str, Any] = {
        "text": "Hello there",
        "voice_id": "Amy",
        "output_s3_bucket_name": "my-bucket",
    } | arguments
    return PollyStartSpeechSynthesisTaskOperator(task_id="speak", **given)


def get_operator(**arguments: Any) -> PollyGetSpeechSynthesisTaskOperator:
    """Return a get operator for synthesis task t1; ``arguments`` change or add to that."""
    given: dict[str, Any] = {"synthesis_task_id": "t1"} | arguments
    return PollyGetSpeechSynthesisTaskOperator(task_id="get", **given)


def sensor(**arguments: Any) -> PollySpeechSynthesisTaskSensor:
    """Return a sensor for synthesis task t1; ``arguments`` change or add to that."""
    given: dict[str, Any] = {"synthesis_task_id": "t1"} | arguments
    return PollySpeechSynthesisTaskSensor(task_id="sense", **given)


def deferral_of(waiter: str, running_context: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """Return the deferral of a waiting operator or sensor.

    :param waiter: ``start``, ``get`` or ``sensor``
    :param running_context: defaults to a new context
    :param arguments: parameters in addition to the required ones
    """
    operator: Any
    if waiter == "start":
        operator = start_operator(deferrable=True, **arguments)
    elif waiter == "get":
        operator = get_operator(wait_for_completion=True, deferrable=True, **arguments)
    else:
        operator = sensor(deferrable=True, **arguments)
    with pytest.raises(TaskDeferred) as deferred:
        execute(operator, running_context)
    return deferred.value
