"""The exception that the emulator raises to return an error to a client."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error response with Polly's error class.

    :param code: the error class in the service model, such as ``InvalidSsmlException``.
    :param message: the error message for the client.
    :param status: the HTTP status; None for the status that the service model defines for the code.
    :param detail: the cause, if ``message`` is Polly's own message and does not name the cause. It is sent in
        a response header.
    :param members: other members of the error's shape, such as ``reason`` of a ValidationException.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, detail: str | None = None, **members: Any
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail
        self.members = members


def invalid(message: str, *, detail: str | None = None) -> ApiError:
    """Build the ValidationException that Polly returns for an error that is not about one particular member.

    :param message: the error message for the client.
    :param detail: the cause, if the message does not name it.
    """
    return ApiError("ValidationException", message, reason="other", detail=detail)
