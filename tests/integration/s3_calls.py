"""A record of the S3 requests of a test, which can interrupt or deny them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.handlers
from botocore.awsrequest import AWSResponse, HTTPHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


class KilledError(Exception):
    """Simulates a killed process: the operator does not catch this error."""


class S3Calls:
    """Records every S3 request of the process; can interrupt or deny requests."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.denied: set[str] = set()
        self.without_upload: set[str] = set()
        """Operations that S3 answers as if the multipart upload did not exist."""
        self._interruptions: dict[tuple[str, int], Callable[[], object]] = {}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record the requests of all clients that are created from now on."""
        ours = [
            ("before-call.s3", self.before_call),
            ("after-call.s3", self.after_call),
            ("before-send.s3", self.before_send),
        ]
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, *ours]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)

    def interrupt(self, when: str, number: int, work: Callable[[], object]) -> None:
        """Call ``work`` once, "before" or "after" the request of this number; 1 is the first."""
        self._interruptions[when, number] = work

    def kill(self, when: str, number: int) -> None:
        """Make the operator end like a killed process, "before" or "after" a request."""

        def kill() -> None:
            raise KilledError(f"{when} {self.names[-1]}, the process was killed")

        self.interrupt(when, number, kill)

    def before_call(self, model: Any, **_: Any) -> None:
        self.names.append(model.name)
        self._call_interruption("before")

    def after_call(self, **_: Any) -> None:
        self._call_interruption("after")

    def _call_interruption(self, when: str) -> None:
        if work := self._interruptions.pop((when, len(self.names)), None):
            work()

    def before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        if operation in self.without_upload:
            missing = b"<Error><Code>NoSuchUpload</Code></Error>"
            return AWSResponse(request.url, 404, HTTPHeaders(), ResponseBody(missing))
        if operation not in self.denied:
            return None
        body = b"" if operation == "HeadObject" else b"<Error><Code>AccessDenied</Code></Error>"
        return AWSResponse(request.url, 403, HTTPHeaders(), ResponseBody(body))


class ResponseBody:
    """The part of urllib3's response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body
