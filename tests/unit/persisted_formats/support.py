"""Helpers for the tests of persisted formats.

Never change a value in these tests or in ``tests/unit/golden``. Commit f30f95c wrote these values, and
deployments keep such data across an upgrade: in Airflow's database, in object keys and in S3 metadata. If the
code must write a new form, add the new values next to the old ones, and let the tests that write compare with
the new values. The tests that read the old values must keep passing: the code then reads both forms.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import botocore.handlers
import pytest
from airflow import __version__ as airflow_version
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from packaging.version import Version

from tests.unit.support import CREATED, Refusal, Wire, context, execute, synthesis_task
from tests.unit.wait.poller.virtual_account import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.awsrequest import AWSPreparedRequest

_GOLDEN = Path(__file__).parents[1] / "golden"
AIRFLOW = Version(Version(airflow_version).base_version)
NOW = 1735787045.25
"""The value of ``time.time()`` in these tests."""
TASK_ID = "7e8d1036-b26e-498f-a8aa-a22527ddf6fa"
TRIGGER = "airflow_polly_provider.triggers.polly.PollySpeechSynthesisTaskTrigger"
ORIGINAL = "my-bucket/audio/intro-ssmhgtetmky436md.7e8d1036-b26e-498f-a8aa-a22527ddf6fa.mp3"
"""The object that Polly writes for the default start operator with the prefix ``audio/intro``."""
ORIGINAL_URI = "https://s3.eu-west-1.amazonaws.com/" + ORIGINAL
FINAL = "my-bucket/final/hello.mp3"
METADATA = {
    "polly-task-id": "7e8d1036-b26e-498f-a8aa-a22527ddf6fa",
    "polly-output-uri": ORIGINAL_URI,
    "polly-creation-time": "2025-01-02T03:04:05+00:00",
    "polly-request-characters": "5",
    "polly-run-token": "ssmhgtetmky436md",
    "polly-speech-digest": "bba8cee8d97dca7420c7f040e0808f6226338e2a0fa735bcaf84a31f13b69450",
}
"""Metadata of `FINAL`, copied from `ORIGINAL`, as written by versions without ``polly-run-began``."""
METADATA_NOW = {**METADATA, "polly-run-began": "2025-01-02T03:04:05.250000+00:00"}
PRONUNCIATION = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
    'xml:lang="en-GB">\n<lexeme><grapheme>Zürich</grapheme><alias>Zoo rick</alias></lexeme>\n</lexicon>'
)
ADVICE = (
    "A persisted format has changed, and deployments have data in the old form. Do not change the expected "
    "value: see the docstring of tests/unit/persisted_formats/support.py."
)


def golden(name: str) -> dict[str, Any]:
    """Return the values that the earlier version wrote, by case."""
    cases: dict[str, Any] = json.loads((_GOLDEN / f"{name}.json").read_text())
    return cases


def with_spoken_characters(written_before: Any, characters: int = 5) -> Any:
    """Return a golden value with ``SpokenCharacters`` added next to each ``RequestCharacters``.

    Versions that have ``SpokenCharacters`` write this form.
    """
    if not isinstance(written_before, dict):
        return written_before
    beside = {"SpokenCharacters": characters} if "RequestCharacters" in written_before else {}
    inside = {key: with_spoken_characters(value, characters) for key, value in written_before.items()}
    return inside | beside


def with_connection(written_before: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return golden XComs with ``AwsConnection`` added, if they name an object in S3.

    Versions that have ``AwsConnection`` write this form.
    """
    if "OutputS3Uri" not in written_before:
        return written_before
    return {**written_before, "AwsConnection": {**golden("xcoms")["aws_connection"], **fields}}


def assert_unchanged(written: Any, expected: Any) -> None:
    """Check that a written value equals the expected one and has only types that JSON and Airflow keep."""
    if not (_is_plain(written) and written == expected):
        before, now = (json.dumps(value, indent=2, default=repr) for value in (expected, written))
        changes = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", lineterm="")
        raise AssertionError("\n".join([ADVICE, *changes, f"now written: {written!r}"]))


def _is_plain(value: Any) -> bool:
    """Return whether a value consists of JSON types; Airflow stores an enum or a tuple in another form."""
    if type(value) is dict:
        return all(type(name) is str and _is_plain(item) for name, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


class Store(dict[str, Any]):
    """The part of Airflow 3.3's task state store that an operator uses; records every written value."""

    def __init__(self, **content: Any) -> None:
        super().__init__(content)
        self.written: list[list[Any]] = []

    def set(self, key: str, value: Any) -> None:
        self[key] = value
        self.written.append([key, value])


@dataclass
class Account(Wire):
    """Answers the same requests as `Wire`, and requests about lexicons, speech and S3.

    S3 denies GetObject, unless a test sets ``audio``.

    :param lexicons: the stored lexicons by name
    :param objects: the metadata of each S3 object, by ``bucket/key``
    :param s3_requests: the method and ``bucket/key`` of each S3 request
    """

    may_list: bool = False
    audio: bytes | Refusal | Exception = field(default=Refusal("AccessDenied", 403))
    lexicons: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, str]] = field(default_factory=dict)
    s3_requests: list[tuple[str, str]] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = [("before-send.polly", self), ("before-send.s3", self.s3)]
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, *ours]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        path = urlsplit(request.url).path
        if path == "/v1/speech":
            return _response(
                request, 200, b"audio", {"Content-Type": "audio/mpeg", "x-amzn-RequestCharacters": "5"}
            )
        if path.startswith("/v1/lexicons/"):
            return self._lexicon(request, path.rpartition("/")[2])
        return super().__call__(request)

    def s3(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        name = f"{url.netloc.partition('.')[0]}{unquote(url.path)}"
        method: str = request.method
        self.s3_requests.append((method, name))
        if method == "DELETE":
            self.objects.pop(name, None)
            return _response(request, 204)
        if method == "PUT":
            headers = {header.lower(): _text(value) for header, value in request.headers.items()}
            prefix = "x-amz-meta-"
            self.objects[name] = {
                header.removeprefix(prefix): value
                for header, value in headers.items()
                if header.startswith(prefix)
            }
            return _response(request, 200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
        if method == "GET":
            return super().s3(request)
        if name not in self.objects:
            return _response(request, 404)
        metadata = {f"x-amz-meta-{key}": value for key, value in self.objects[name].items()}
        fields = {"Content-Type": "audio/mpeg", "Content-Length": "5", "ETag": '"e"', **metadata}
        return _response(request, 200, fields=fields)

    def _lexicon(self, request: AWSPreparedRequest, name: str) -> AWSResponse:
        if request.method == "PUT":
            body = json.loads(_text(request.body or b"{}"))
            self.lexicons[name] = body["Content"]
            return _response(request, 200, b"{}")
        if name not in self.lexicons:
            missing = {"x-amzn-ErrorType": "LexiconNotFoundException"}
            return _response(request, 404, b'{"message": "no"}', missing)
        if request.method == "DELETE":
            del self.lexicons[name]
            return _response(request, 200, b"{}")
        answer = {
            "Lexicon": {"Name": name, "Content": self.lexicons[name]},
            "LexiconAttributes": {
                "Alphabet": "ipa",
                "LanguageCode": "en-GB",
                "LastModified": CREATED.timestamp(),
                "LexemesCount": 1,
                "LexiconArn": f"arn:aws:polly:eu-west-1:123456789012:lexicon/{name}",
                "Size": 234,
            },
        }
        return _response(request, 200, json.dumps(answer).encode())


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _response(
    request: AWSPreparedRequest, status: int, body: bytes = b"", fields: Mapping[str, str] | None = None
) -> AWSResponse:
    headers = HTTPHeaders()
    for name, value in (fields or {}).items():
        headers[name] = value
    return AWSResponse(request.url, status, headers, _Raw(body))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def imported(class_path: str) -> Any:
    """Import a stored class path as Airflow does."""
    module, _, name = class_path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def payload_of(trigger: Any) -> dict[str, Any]:
    """Run a trigger on a clock that skips idle time; return its single event as the database stores it."""

    async def events() -> list[Any]:
        return [event async for event in trigger.run()]

    with asyncio.Runner(loop_factory=SkippingLoop) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", runner.get_loop().time)
        (event,) = runner.run(events())
    stored: dict[str, Any] = json.loads(json.dumps(event.payload))
    assert stored == event.payload, ADVICE
    return stored


def xcoms_of(operator: Any, **given: Any) -> dict[str, Any]:
    """Run an operator; return every XCom that it pushes, by key."""
    running_context = {**context(), **given}
    value = execute(operator, running_context)
    return {**running_context["ti"].pushed, "return_value": value}


def resumed(operator: Any, event: dict[str, Any], next_method: str) -> dict[str, Any]:
    """Resume a deferred task with an event; return every XCom that it pushes, by key."""
    running_context = context()
    value = getattr(operator, next_method)(running_context, event=event)
    return {**running_context["ti"].pushed, "return_value": value}


def full_synthesis_task(**fields: Any) -> dict[str, Any]:
    """Return a SynthesisTask with every field that Polly can return, except ``TaskStatusReason``."""
    return synthesis_task(
        **{
            "Engine": "neural",
            "LanguageCode": "en-GB",
            "LexiconNames": ["places"],
            "SampleRate": "24000",
            "SnsTopicArn": "arn:aws:sns:eu-west-1:123456789012:spoken",
            "SpeechMarkTypes": ["word"],
            "TextType": "text",
            **fields,
        }
    )
