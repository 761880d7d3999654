"""Requests and responses, independent of the HTTP version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

MAX_HEAD_BYTES = 64 * 1024
# The limit for objects that tests upload to S3; they are kept in memory. For requests to Polly, it is lower.
MAX_BODY_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """One request.

    :param method: the HTTP method, such as ``GET``.
    :param path: the path, still percent-encoded.
    :param query: the query string, without the question mark.
    :param headers: the headers, by lower-case name.
    :param body: the complete body.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def decoded_path(self) -> str:
        """Return the path in WSGI's form: percent-decoded bytes, decoded as Latin-1."""
        return unquote_to_bytes(self.path).decode("latin-1")


@dataclass(slots=True)
class Response:
    """One response.

    :param status: the HTTP status.
    :param body: the complete body.
    :param headers: the headers without Content-Length and Connection, which the server adds.
    :param delivery: ``whole``; ``cut`` to send only the first half of the body; ``drop`` to send nothing.
        After ``cut`` and ``drop``, the connection is closed (HTTP/2: the stream is reset).
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delivery: Literal["whole", "cut", "drop"] = "whole"


def error_answer(status: int, code: str, message: str) -> Response:
    """Build an error response of the emulator's server, not of an AWS service.

    :param status: the HTTP status.
    :param code: the error class.
    :param message: the error message.
    """
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
    return Response(status, json.dumps({"message": message}).encode(), headers)
