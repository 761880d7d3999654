"""Refusals in the form of the service that a request is signed for, so that its client shows the reason."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from airflow_polly_provider.emulator.http.messages import Response

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.http.messages import Request

# Credential=<key>/<date>/<region>/<service>/aws4_request; in a presigned URL its slashes are escaped.
_SCOPE = re.compile(r"Credential=[^/,&]+(?:/|%2F)\d+(?:/|%2F)([\w-]+)(?:/|%2F)([\w-]+)(?:/|%2F)aws4_request")


class Scope(NamedTuple):
    """What a request is signed for.

    :param region: such as ``us-east-1``.
    :param service: such as ``polly``.
    """

    region: str
    service: str


def scope_of(request: Request) -> Scope | None:
    """Return what a request is signed for, in its headers or in its URL; None for an unsigned one.

    :param request: the request.
    """
    found = _SCOPE.search(request.headers.get("authorization", "")) or _SCOPE.search(request.query)
    return Scope(found[1], found[2]) if found else None


def refusal(request: Request, status: int, code: str, message: str) -> Response:
    """Return an error as the client of a request expects it: in Polly's JSON, or in XML.

    :param request: what is refused.
    :param status: the HTTP status.
    :param code: the error's class.
    :param message: why, and what to do.
    """
    form = "<Error>{}</Error>"
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        form = "<ErrorResponse><Error><Type>Sender</Type>{}</Error></ErrorResponse>"
    else:
        scope = scope_of(request)
        if scope.service != "s3" if scope else request.path.startswith(("/v1/", "/_emulator")):
            headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", code))
            return Response(status, json.dumps({"__type": code, "message": message}).encode(), headers)
    body = form.format(f"<Code>{code}</Code><Message>{escape(message)}</Message>")
    return Response(status, body.encode(), (("Content-Type", "application/xml"), ("x-amzn-ErrorType", code)))
