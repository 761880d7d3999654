"""What earlier tries of a run saved about their start, in Airflow's task state store (Airflow 3.3+)."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.exceptions import PollyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import Context

log = logging.getLogger(__name__)

_KEY = "polly_start"


@dataclass(frozen=True)
class Attempt:
    """A start that was attempted.

    :param token: the token of the request in its run
    :param asked_at: when Polly was asked, in seconds since the epoch
    :param synthesis_task_id: Polly's ``TaskId``; None while Polly's answer is not known
    """

    token: str
    asked_at: float
    synthesis_task_id: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Attempt:
        """Return what a record of the store says; a later version may have written more into it.

        :param record: has this run's token
        :raises TypeError: it says nothing that can be used
        """
        asked_at, synthesis_task_id = record.get("asked_at"), record.get("synthesis_task_id")
        if not isinstance(asked_at, int | float) or not isinstance(synthesis_task_id, str | None):
            raise TypeError(f"the record {dict(record)} is none of this package")
        return cls(record["token"], asked_at, synthesis_task_id)


class LastAttempt(NamedTuple):
    """What is known of the last attempt of a run.

    :param attempt: None if there is none, or if none is known
    :param is_known: whether the absence of an attempt means that no try of this run asked Polly
    """

    attempt: Attempt | None
    is_known: bool


class AttemptStore:
    """Saves attempts for later tries. They also outlive a clear, so each is checked against the token.

    A store that cannot be read or written costs a warning: the token in the output's key is the fallback, by
    which a list of the account's synthesis tasks finds them.

    :param context: the running task's context
    :param token: the token of the request in this run
    """

    def __init__(self, context: Context, token: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._token = token
        self._failed = False

    def load(self) -> LastAttempt:
        """Return what is known of the last attempt of this run."""
        if self._store is None:
            return LastAttempt(None, is_known=False)
        try:
            stored = self._store.get(_KEY)
            if not isinstance(stored, dict) or stored.get("token") != self._token:
                return LastAttempt(None, is_known=True)
            return LastAttempt(Attempt.from_record(stored), is_known=True)
        except Exception as error:  # noqa: BLE001  # a deployment's own back-end has errors of its own
            log.warning("Cannot read Airflow's task state store: %s", error)
            return LastAttempt(None, is_known=False)

    def save_request(self) -> bool:
        """Save that Polly is about to be asked, and return whether a later try can rely on it.

        True also where Airflow has no store: there, no try relies on it.

        :raises PollyError: Airflow has taken this try for dead, and another may be under way
        """
        if (error := self._write(Attempt(self._token, time.time()))) is not None and _try_is_over(error):
            raise PollyError(
                "Airflow has ended this try of the task and may have begun another; no synthesis task is "
                "started here, or both might start one."
            ) from error
        return not self._failed

    def save_started(self, synthesis_task_id: str) -> None:
        """Save which synthesis task was started.

        :param synthesis_task_id: Polly's ``TaskId``
        """
        self._write(Attempt(self._token, time.time(), synthesis_task_id))

    def _write(self, attempt: Attempt) -> Exception | None:
        if self._store is None:
            return None
        try:
            self._store.set(_KEY, asdict(attempt))
        except Exception as error:  # noqa: BLE001  # a deployment's own back-end has errors of its own
            log.warning("Cannot write Airflow's task state store: %s", error)
            self._store = None
            self._failed = True
            return error
        return None


def _try_is_over(error: Any) -> bool:
    """Return whether the store refused an attempt because another try has replaced this one."""
    # AirflowRuntimeError, what Airflow's API server says; Airflow 2 has no such class.
    refusal = getattr(error, "error", None)
    answer = (getattr(refusal, "detail", None) or {}).get("detail")
    reason = answer.get("detail") if isinstance(answer, dict) else None
    return isinstance(reason, dict) and reason.get("reason") == "not_found"
