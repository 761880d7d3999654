"""Error responses in the format of the requested service, so that the client can show the reason."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from airflow_polly_provider.emulator.http.messages import Response

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.http.messages import Request

# Credential=<key>/<date>/<region>/<service>/aws4_request; a presigned URL percent-encodes the slashes.
_SCOPE = re.compile(r"Credential=[^/,&]+(?:/|%2F)\d+(?:/|%2F)([\w-]+)(?:/|%2F)([\w-]+)(?:/|%2F)aws4_request")


class Scope(NamedTuple):
    """The region and service that a request is signed for.

    :param region: the region, such as ``us-east-1``.
    :param service: the service, such as ``polly``.
    """

    region: str
    service: str


def scope_of(request: Request) -> Scope | None:
    """Return the credential scope in a request's headers or URL; None for an unsigned request.

    :param request: the request.
    """
    found = _SCOPE.search(request.headers.get("authorization", "")) or _SCOPE.search(request.query)
    return Scope(found[1], found[2]) if found else None


def refusal(request: Request, status: int, code: str, message: str) -> Response:
    """Return an error response in the format that the request's client expects: Polly's JSON, or XML.

    :param request: the rejected request.
    :param status: the HTTP status.
    :param code: the error class.
    :param message: the reason, and what to do about it.
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
