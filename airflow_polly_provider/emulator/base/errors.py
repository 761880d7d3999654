"""The one error that the emulator's own code raises towards a client."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal, named as Polly names it.

    :param code: the error class of the service model, such as ``InvalidSsmlException``.
    :param message: what is wrong, for the client.
    :param status: HTTP status; None takes the one that the service model gives for the code.
    :param detail: what the message, where it is Polly's own, does not tell; goes into a header of the answer.
    :param members: further members of the error's shape, such as ``reason`` of a ValidationException.
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
    """Build the ValidationException that Polly gives for what no single member is to blame for.

    :param message: what is wrong.
    :param detail: what the message does not tell.
    """
    return ApiError("ValidationException", message, reason="other", detail=detail)
