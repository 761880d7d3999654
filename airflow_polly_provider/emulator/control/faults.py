"""Faults on demand, and counters of what was asked: the two ends of a test of a client's behaviour."""

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
    """Something to go wrong, at one operation, for some of its calls.

    Exactly what goes wrong is the sum of what is given: a delay and an error give a late error.

    :param operation: as in the service model, such as ``StartSpeechSynthesisTask``, or ``*`` for all.
    :param times: for how many calls; None for all until the faults are cleared.
    :param share: for which share of the calls, 0 to 1; the choice is the same in each run.
    :param error: an error class to answer with, such as ``ThrottlingException``; the work is not done.
    :param status: the HTTP status of the error, or the page; None takes the service model's.
    :param message: the error's message.
    :param delay_seconds: how much later the answer comes.
    :param drop: close the connection ``before`` the work is done, or ``after`` it, without an answer.
    :param cut: send only the first half of the answer, after the work is done, and close the connection.
    :param page: do the work, and send this HTML in place of the answer, as a proxy does: in Latin-1, with
        ``status`` or 200.
    :param fail_task: accept the synthesis task, and let it end ``failed`` with this reason.
    """

    operation: str
    times: int | None = 1
    share: float = 1.0
    error: str | None = None
    status: int | None = None
    message: str = "Asked for by a fault of the emulator"
    delay_seconds: float = 0.0
    drop: Literal["before", "after"] | None = None
    cut: bool = False
    page: str | None = None
    fail_task: str | None = None

    def __post_init__(self) -> None:
        if not (self.error or self.delay_seconds or self.drop or self.cut or self.page or self.fail_task):
            raise ValueError("A fault needs one of error, delay_seconds, drop, cut, page and fail_task")
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop is 'before' or 'after', not {self.drop!r}")
        if not isinstance(self.page, str | None):
            raise ValueError(f"page is a text, not {self.page!r}")  # noqa: TRY004  # as for the others
        lowest = 200 if self.page else 400
        if self.status is not None and not lowest <= self.status <= 599:
            raise ValueError(f"status is an HTTP status from {lowest} to 599, not {self.status!r}")
        if not _is_number(self.share) or not 0 < self.share <= 1:
            raise ValueError(f"share is above 0 and at most 1, not {self.share!r}")
        if self.times is not None and (not _is_number(self.times, int) or self.times < 1):
            raise ValueError(f"times is a whole number from 1 on, or None for all calls, not {self.times!r}")
        if not _is_number(self.delay_seconds) or not 0 <= self.delay_seconds < math.inf:
            raise ValueError(f"delay_seconds is a number from 0 on, not {self.delay_seconds!r}")
        if self.error is not None and not _ERROR_CLASS.fullmatch(str(self.error)):
            raise ValueError(f"error is an error class such as ThrottlingException, not {self.error!r}")
        if self.fail_task and self.operation not in ("*", _STARTS):
            raise ValueError(f"fail_task is for {_STARTS}, which {self.operation} is not")


def _is_number(value: object, kind: type | tuple[type, ...] = (int, float)) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


class Faults:
    """The faults in force. Safe to use from any thread.

    :param operations: the operations that there are.
    """

    def __init__(self, operations: Collection[str]) -> None:
        self._operations = operations
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._random = random.Random(0)

    def add(self, operation: str, **settings: Any) -> Fault:
        """Put a fault in force.

        :param operation: as in the service model, or ``*``.
        :param settings: the further fields of :class:`Fault`.
        :raises ValueError: for an operation that Polly does not have, or settings that make no sense.
        """
        if operation != "*" and operation not in self._operations:
            raise ValueError(
                f"Polly has no operation {operation!r}; there are * and {', '.join(self._operations)}"
            )
        fault = Fault(operation=operation, **settings)
        with self._lock:
            self._faults.append(fault)
        return fault

    def deny(self, operation: str) -> Fault:
        """Deny an operation, as a policy without its permission does, until the faults are cleared.

        :param operation: as in the service model, or ``*``.
        """
        return self.add(
            operation,
            error="AccessDeniedException",
            times=None,
            message=f"User is not authorized to perform: polly:{operation}",
        )

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._faults = []

    def active(self) -> list[dict[str, Any]]:
        """List the faults that still have calls to spoil."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, operation: str) -> Fault | None:
        """Find the fault for one call, and count it as used.

        :param operation: the operation called.
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
    """How often each operation was called, and how each call ended.

    An outcome is ``ok``, an error class, ``dropped before``, ``dropped after``, ``cut``, ``page``, or
    ``disconnected`` for a client that left before its speech was made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, operation: str, outcome: str) -> None:
        """Count one call.

        :param operation: the operation called.
        :param outcome: how it ended.
        """
        with self._lock:
            outcomes = self._counts.setdefault(operation, {})
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def calls(self, operation: str, outcome: str | None = None) -> int:
        """Tell how many calls there were since the last reset.

        :param operation: as in the service model.
        :param outcome: only calls that ended so.
        """
        with self._lock:
            outcomes = self._counts.get(operation, {})
            return sum(outcomes.values()) if outcome is None else outcomes.get(outcome, 0)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Give all counts: by operation, then by outcome."""
        with self._lock:
            return {operation: dict(outcomes) for operation, outcomes in self._counts.items()}

    def reset(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._counts = {}
