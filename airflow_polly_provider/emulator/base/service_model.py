"""Polly's API according to botocore's service model: routes, request parsing and error statuses."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, unquote

import botocore.session

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

# Errors that any operation can return, even if the model does not list them for it.
COMMON_STATUSES = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 403,
    "InternalFailure": 500,
    "MissingAuthenticationTokenException": 403,
    "SerializationException": 400,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}


_PRESIGNED, _SPEECH_PATH = "SynthesizeSpeech", "/v1/speech"


@functools.cache
def load_service_model() -> Any:
    """Return botocore's model of Polly."""
    return botocore.session.get_session().get_service_model("polly")


class ApiModel:
    """The service model in a form that servers can use; botocore's own form is for clients."""

    def __init__(self) -> None:
        self.service = load_service_model()
        self._operations = {name: self.service.operation_model(name) for name in self.service.operation_names}
        # The first table contains the routes without a path parameter, by method and path. The second
        # contains the routes with one, by method and the path before the parameter, which is always last.
        self._exact: dict[tuple[str, str], str] = {}
        self._by_prefix: dict[tuple[str, str], str] = {}
        for name, operation in self._operations.items():
            self._add_route(name, operation)
        # A presigned URL has all members in its query string. The model does not describe this route.
        self._exact["GET", _SPEECH_PATH] = _PRESIGNED
        self._statuses = dict(COMMON_STATUSES)
        for shape in self.service.error_shapes:
            self._statuses[shape.name] = int(shape.metadata["error"]["httpStatusCode"])

    @property
    def operation_names(self) -> list[str]:
        """Return the names of all operations in the model."""
        return sorted(self._operations)

    def status_of(self, code: str) -> int:
        """Return the HTTP status of an error class; 400 for an unknown class.

        :param code: the error class.
        """
        return self._statuses.get(code, 400)

    def enum(self, shape_name: str) -> list[str]:
        """Return the values that an enumeration allows.

        :param shape_name: the enumeration's name, such as ``VoiceId``.
        """
        return list(getattr(self.service.shape_for(shape_name), "enum", []))

    def echoed(self, operation: str, shape_name: str) -> list[str]:
        """Return the names of the request members that a structure in the response also contains.

        :param operation: the operation's name, such as ``StartSpeechSynthesisTask``.
        :param shape_name: the structure's name, such as ``SynthesisTask``.
        """
        given = self._operations[operation].input_shape
        answer = getattr(self.service.shape_for(shape_name), "members", {})
        return sorted(name for name in (given.members if given else ()) if name in answer)

    def route(self, method: str, path: str) -> tuple[str, str | None]:
        """Return the operation for a method and path.

        :param method: the HTTP method.
        :param path: the path, still percent-encoded.
        :return: the operation's name, and its decoded path parameter or None.
        :raises ApiError: ``UnknownOperationException`` if the model has no such route.
        """
        operation = self._exact.get((method, path)) or self._exact.get((method, path.rstrip("/")))
        if operation is not None:
            return operation, None
        head, _, tail = path.rpartition("/")
        operation = self._by_prefix.get((method, head + "/"))
        if operation is not None and tail:
            return operation, unquote(tail)
        raise ApiError("UnknownOperationException", f"Polly has no operation for {method} {path[:200]}")

    def parse(
        self,
        operation: str,
        parameter: str | None,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        method: str,
    ) -> dict[str, Any]:
        """Read the operation's parameters from a request, and validate them against the model.

        :param operation: the operation's name in the model, such as ``GetSpeechSynthesisTask``.
        :param parameter: the path parameter, if the route has one.
        :param query: the raw query string.
        :param headers: the headers, by lower-case name.
        :param body: the raw body.
        :param method: the HTTP method.
        :raises ApiError: if the model does not allow a value.
        """
        shape = self._operations[operation].input_shape
        if shape is None:
            return {}
        values: dict[str, Any] = {}
        document: dict[str, Any] | None = None
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            wire_name = member.serialization.get("name", name)
            value: Any = None
            if location == "uri":
                value = parameter
            elif location == "querystring":
                value = _from_text(member, name, pairs.get(wire_name))
            elif location == "header":
                value = headers.get(wire_name.lower())
            else:
                if document is None and operation == _PRESIGNED and method == "GET":
                    document = _from_query(shape, query)
                elif document is None:
                    document = _json_object(body) if body else {}
                value = document.get(wire_name)
            if value is not None:
                values[name] = value
        validate(shape, values)
        return values

    def _add_route(self, name: str, operation: OperationModel) -> None:
        method, uri = operation.http["method"], operation.http["requestUri"]
        prefix, brace, rest = uri.partition("{")
        if not brace:
            self._exact[method, uri.rstrip("/")] = name
        elif rest.endswith("}") and "{" not in rest:
            self._by_prefix[method, prefix] = name
        else:
            raise NotImplementedError(f"The route {uri} does not end with its only parameter")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", "The body is not JSON") from error
    if not isinstance(document, dict):
        raise ApiError("SerializationException", "The body is not a JSON object")
    return document


def _from_query(shape: Any, query: str) -> dict[str, Any]:
    """Return the members in a presigned URL, which repeats the query parameter for each item of a list."""
    given: dict[str, list[str]] = parse_qs(query, keep_blank_values=True)
    return {
        name: given[name] if member.type_name == "list" else given[name][-1]
        for name, member in shape.members.items()
        if name in given
    }


def _from_text(member: Any, name: str, text: str | None) -> Any:
    if text is None:
        return None
    if member.type_name == "integer":
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise ApiError("SerializationException", f"'{name}' must be a whole number")
        return int(text)
    if member.type_name == "boolean":
        if text not in ("true", "false"):
            raise ApiError("SerializationException", f"'{name}' must be true or false")
        return text == "true"
    return text
