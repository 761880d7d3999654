"""The one error that the emulator's own code raises towards a client."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal, named as Polly names it.

    :param code: the error class of the service model, such as ``InvalidSsmlException``.
    :param message: what is wrong, for the client.
    :param status: HTTP status; None takes the one that the service model gives for the code.
    :param members: further members of the error's shape, such as ``reason`` of a ValidationException.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def invalid(message: str, *, field: str | None = None) -> ApiError:
    """Build the ValidationException that Polly gives for a value its model does not allow.

    :param message: what is wrong.
    :param field: the offending member, if there is one.
    """
    members: dict[str, Any] = {"reason": "fieldValidationFailed" if field else "other"}
    if field:
        members["fields"] = [{"name": field, "message": message}]
    return ApiError("ValidationException", message, **members)
