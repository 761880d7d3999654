"""S3 in the memory of the test process: objects of one bucket, conditional requests, and faults."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
import botocore.handlers
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

BUCKET = "my-bucket"


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def etag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _handlers() -> list[Any]:
    """Return botocore's handlers and those of the tests, without other answers of S3."""
    return [each for each in botocore.handlers.BUILTIN_HANDLERS if each[0] != "before-send.s3"]


class FakeS3:
    """Answers the requests of a real boto3 client.

    :param attempts: how often boto3 sends a request that fails
    """

    def __init__(self, attempts: int = 1) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        """The method and key of each request."""
        self.before: Callable[[str, str], Exception | AWSResponse | None] = lambda method, key: None
        """Called with method and key before each request; returns a fault in place of the answer."""
        self.after: Callable[[str, str], Exception | AWSResponse | None] = lambda method, key: None
        """The same, after the request was performed."""
        config = Config(
            retries={"total_max_attempts": attempts},
            s3={"addressing_style": "virtual"},
            request_checksum_calculation="when_required",
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(botocore.handlers, "BUILTIN_HANDLERS", _handlers())
            session = boto3.Session(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secret")
            self._client: Any = session.client("s3", region_name="eu-west-1", config=config)
        self._client.meta.events.register("before-send.s3", self.answer)

    def client(self) -> Any:
        return self._client

    def written(self) -> list[str]:
        """Return the keys of all PutObject requests, in order."""
        return [key for method, key in self.requests if method == "PUT"]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer the S3 requests of all clients that are created from now on."""
        handlers = [*_handlers(), ("before-send.s3", self.answer)]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        key = unquote(urlsplit(request.url).path).removeprefix("/")
        method: str = request.method
        self.requests.append((method, key))
        fault = self.before(method, key)
        if fault is None:
            answer = self._perform(request, method, key)
            fault = self.after(method, key) or answer
        if isinstance(fault, Exception):
            raise fault
        return fault

    def _perform(self, request: AWSPreparedRequest, method: str, key: str) -> AWSResponse:
        stored = self.objects.get(key)
        if_match, if_none_match = (_header(request, name) for name in ("If-Match", "If-None-Match"))
        if if_match and stored is None:
            return refusal(404, "NoSuchKey")
        if (if_match and if_match != etag_of(stored or b"")) or (if_none_match and stored is not None):
            return refusal(412, "PreconditionFailed")
        if method == "DELETE":
            self.objects.pop(key, None)
            return respond(204)
        if method == "PUT":
            body: Any = request.body
            stored = self.objects[key] = bytes(body if isinstance(body, bytes) else body.read())
            return respond(200, ETag=etag_of(stored))
        if stored is None:
            return refusal(404, "NoSuchKey")
        return respond(200, stored, ETag=etag_of(stored))


def _header(request: AWSPreparedRequest, name: str) -> str:
    value: Any = request.headers.get(name, "")
    return value.decode() if isinstance(value, bytes) else value


def respond(status: int, body: bytes = b"", **headers: str) -> AWSResponse:
    sent = HTTPHeaders()
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        sent[name] = value
    return AWSResponse("https://s3.test", status, sent, _Raw(body))


def refusal(status: int, code: str) -> AWSResponse:
    return respond(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
