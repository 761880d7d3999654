"""Requests and answers, whichever version of HTTP carries them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

MAX_HEAD_BYTES = 64 * 1024
# Objects that tests upload pass through memory; Polly's own requests have a far lower limit.
MAX_BODY_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """One request.

    :param method: such as ``GET``.
    :param path: still percent-encoded.
    :param query: without the question mark.
    :param headers: by lower-case name.
    :param body: whole.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def decoded_path(self) -> str:
        """Give the path as WSGI wants it: percent-decoded bytes, as Latin-1."""
        return unquote_to_bytes(self.path).decode("latin-1")


@dataclass(slots=True)
class Response:
    """One answer.

    :param status: the HTTP status.
    :param body: whole.
    :param headers: without length and connection, which the server adds.
    :param delivery: ``whole``; ``cut`` after the first half; or ``drop`` to send nothing and hang up.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delivery: Literal["whole", "cut", "drop"] = "whole"


def error_answer(status: int, code: str, message: str) -> Response:
    """Build an error that is no service's.

    :param status: the HTTP status.
    :param code: the error's class.
    :param message: what is wrong.
    """
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
    return Response(status, json.dumps({"message": message}).encode(), headers)
