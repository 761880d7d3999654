"""Faults that make calls fail on demand, and call counters. Both are used to test clients."""

from __future__ import annotations

import math
import random
import re
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

_STARTS = "StartSpeechSynthesisTask"
_ERROR_CLASS = re.compile(r"[A-Za-z][\w.]*", re.ASCII)


@dataclass(kw_only=True)
class Fault:
    """A fault that affects some or all calls of an operation.

    A fault can have several effects. For example, if it has a delay and an error, the client gets the error
    after the delay.

    :param operation: the operation's name in the service model, such as ``StartSpeechSynthesisTask``, or
        ``*`` for all operations.
    :param times: the number of calls that the fault affects; None for all calls until the faults are
        cleared.
    :param share: the probability that the fault affects a call, above 0 and at most 1; the random choices are
        the same in each run.
    :param error: the error class to return, such as ``ThrottlingException``; the operation does not run.
    :param status: the HTTP status of ``error`` or ``page``; None for the status that the service model
        defines for the error, or for 200 with ``page``.
    :param message: the message of ``error``.
    :param delay_seconds: the delay of the response.
    :param drop: ``before`` to close the connection without running the operation, ``after`` to run it and
        then close the connection without a response.
    :param cut: whether to run the operation, send only the first half of the response and close the
        connection.
    :param page: an HTML page, encoded in Latin-1, to send instead of the response, as a proxy may do. The
        operation still runs.
    :param fail_task: the reason for a failure: the start is accepted, but the synthesis task ends in the
        status ``failed`` with this reason.
    :raises ValueError: if the fault has no effect, or a value is not valid.
    """

    operation: str
    times: int | None = 1
    share: float = 1.0
    error: str | None = None
    status: int | None = None
    message: str = "This error was requested by a fault in the emulator"
    delay_seconds: float = 0.0
    drop: Literal["before", "after"] | None = None
    cut: bool = False
    page: str | None = None
    fail_task: str | None = None

    def __post_init__(self) -> None:
        if not (self.error or self.delay_seconds or self.drop or self.cut or self.page or self.fail_task):
            raise ValueError(
                "A fault needs at least one of error, delay_seconds, drop, cut, page and fail_task"
            )
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop must be 'before' or 'after', not {self.drop!r}")
        if not isinstance(self.page, str | None):
            raise ValueError(f"page must be a string, not {self.page!r}")  # noqa: TRY004  # as for the others
        lowest = 200 if self.page else 400
        if self.status is not None and not lowest <= self.status <= 599:
            raise ValueError(f"status must be an HTTP status from {lowest} to 599, not {self.status!r}")
        if not _is_number(self.share) or not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share!r}")
        if self.times is not None and (not _is_number(self.times, int) or self.times < 1):
            raise ValueError(
                f"times must be a whole number of at least 1, or None for all calls, not {self.times!r}"
            )
        if not _is_number(self.delay_seconds) or not 0 <= self.delay_seconds < math.inf:
            raise ValueError(f"delay_seconds must be a number, at least 0, not {self.delay_seconds!r}")
        if self.error is not None and not _ERROR_CLASS.fullmatch(str(self.error)):
            raise ValueError(f"error must be an error class such as ThrottlingException, not {self.error!r}")
        if self.fail_task and self.operation not in ("*", _STARTS):
            raise ValueError(f"fail_task has no effect on {self.operation}. Set operation to {_STARTS} or *")


def _is_number(value: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


class Faults:
    """The active faults. Safe to use from any thread.

    :param operations: the names of Polly's operations.
    """

    def __init__(self, operations: Collection[str]) -> None:
        self._operations = operations
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._random = random.Random(0)

    def add(self, operation: str, **settings: Any) -> Fault:
        """Add a fault and return it.

        :param operation: the operation's name in the service model, or ``*`` for all operations.
        :param settings: the other fields of :class:`Fault`.
        :raises ValueError: if Polly has no such operation, or a setting is not valid.
        """
        if operation != "*" and operation not in self._operations:
            raise ValueError(
                f"Unknown operation {operation!r}: use * or one of {', '.join(self._operations)}"
            )
        fault = Fault(operation=operation, **settings)
        with self._lock:
            self._faults.append(fault)
        return fault

    def deny(self, operation: str) -> Fault:
        """Deny an operation until the faults are cleared, as if no IAM policy allowed it; return the fault.

        :param operation: the operation's name in the service model, or ``*`` for all operations.
        """
        return self.add(
            operation,
            error="AccessDeniedException",
            times=None,
            message=f"User is not authorized to perform: polly:{operation}",
        )

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults = []

    def active(self) -> list[dict[str, Any]]:
        """Return the fields of all faults that can still affect calls."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, operation: str) -> Fault | None:
        """Return the fault for one call, if there is one, and count it as used.

        :param operation: the called operation.
        """
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if fault.operation not in (operation, "*"):
                    continue
                if fault.share < 1 and self._random.random() >= fault.share:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None


class Counters:
    """Counts the calls of each operation by outcome.

    An outcome is ``ok``, an error class, ``dropped before``, ``dropped after``, ``cut``, ``page``, or
    ``disconnected`` if the client disconnected before its speech was ready.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, operation: str, outcome: str) -> None:
        """Count one call.

        :param operation: the called operation.
        :param outcome: the call's outcome.
        """
        with self._lock:
            outcomes = self._counts.setdefault(operation, {})
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def calls(self, operation: str, outcome: str | None = None) -> int:
        """Return the number of calls since the last reset.

        :param operation: the operation's name in the service model.
        :param outcome: the outcome of the calls to count; None to count all calls.
        """
        with self._lock:
            outcomes = self._counts.get(operation, {})
            return sum(outcomes.values()) if outcome is None else outcomes.get(outcome, 0)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Return all counts, by operation, then by outcome."""
        with self._lock:
            return {operation: dict(outcomes) for operation, outcomes in self._counts.items()}

    def reset(self) -> None:
        """Set all counts to zero."""
        with self._lock:
            self._counts = {}
