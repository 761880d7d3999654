"""What earlier tries of a run saved about their start, in Airflow's task state store (Airflow 3.3+)."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.exceptions import PollyError
from airflow_polly_provider.start.current_run import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import Context

log = logging.getLogger(__name__)

_KEY = "polly_start"
_RUN_KEY = "polly_start_run"


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
    :param only_unfinished: whether its synthesis task counts only as long as that is unfinished
    :param of_another_run: Polly's ``TaskId`` of an earlier run's synthesis task, maybe with the same token
    """

    attempt: Attempt | None
    is_known: bool
    only_unfinished: bool = False
    of_another_run: str | None = None


@dataclass(frozen=True)
class AttemptedRun:
    """The run of an Airflow task in which an attempt was made, and whether the task delivered its result.

    Clearing a task changes its token, whether the task had ended or not. These values tell the two apart.

    :param token: the attempt's
    :param digest: the request's
    :param began: as in :class:`~airflow_polly_provider.start.current_run.CurrentRun`
    :param ends_in_triggerer: whether the task ends in the triggerer, which cannot save that it succeeded
    :param delivered: whether the task has handed its result over
    """

    token: str
    digest: str
    began: str
    ends_in_triggerer: bool = False
    delivered: bool = False


class AttemptStore:
    """Saves attempts for later tries. They also outlive a clear, so each is checked against the run.

    A store that cannot be read or written costs a warning: the token in the output's key is the fallback, by
    which a list of the account's synthesis tasks finds them.

    :param context: the running task's context
    :param token: the token of the request in this run
    :param digest: the request's
    :param ends_in_triggerer: whether the task ends without a worker
    """

    def __init__(self, context: Context, token: str, digest: str, *, ends_in_triggerer: bool = False) -> None:
        self._store: Any = context.get("task_state_store")
        self._run = AttemptedRun(token, digest, current_run(context).began, ends_in_triggerer)
        self._failed = False
        self._run_saved = False

    @property
    def token(self) -> str:
        """The token of the request in this run."""
        return self._run.token

    def load(self) -> LastAttempt:
        """Return what is known of the last attempt of this run."""
        if self._store is None:
            return LastAttempt(None, is_known=False)
        try:
            stored = self._store.get(_KEY)
            if not isinstance(stored, dict):
                return LastAttempt(None, is_known=True)
            run = self._store.get(_RUN_KEY)
            if not isinstance(run, dict) or run.get("token") != stored.get("token"):
                # An earlier version of this package saved no run.
                run = {**asdict(self._run), "token": stored.get("token"), "delivered": True}
            if not self._is_of_this_run(run):
                return LastAttempt(None, is_known=True, of_another_run=stored.get("synthesis_task_id"))
            return LastAttempt(
                Attempt.from_record(stored),
                is_known=True,
                only_unfinished=run["token"] != self.token and bool(run.get("ends_in_triggerer")),
            )
        except Exception as error:  # noqa: BLE001  # a deployment's own back-end has errors of its own
            log.warning("Cannot read Airflow's task state store: %s", error)
            return LastAttempt(None, is_known=False)

    def _is_of_this_run(self, run: Mapping[str, Any]) -> bool:
        """Return whether an attempt was made by an earlier try of this run, or before that was cleared."""
        if run.get("began") != self._run.began:
            return False
        return run["token"] == self.token or (
            run.get("digest") == self._run.digest and not run.get("delivered")
        )

    def save_request(self) -> bool:
        """Save that Polly is about to be asked, and return whether a later try can rely on it.

        True also where Airflow has no store: there, no try relies on it.

        :raises PollyError: Airflow has taken this try for dead, and another may be under way
        """
        if (error := self._write(Attempt(self.token, time.time()))) is not None and _try_is_over(error):
            raise PollyError(
                "Airflow has ended this try of the task and may have begun another; no synthesis task is "
                "started here, or both might start one."
            ) from error
        return not self._failed

    def save_started(self, synthesis_task_id: str) -> None:
        """Save which synthesis task was started.

        :param synthesis_task_id: Polly's ``TaskId``
        """
        self._write(Attempt(self.token, time.time(), synthesis_task_id))

    def save_delivered(self) -> None:
        """Save that the task delivered its result. If it is cleared later, it starts a new synthesis task."""
        self._set(_RUN_KEY, asdict(replace(self._run, delivered=True)))

    def _write(self, attempt: Attempt) -> Exception | None:
        # The attempt first: if this process ends between the two, the next try still finds it by its token.
        error = self._set(_KEY, asdict(attempt))
        if error is None and not self._run_saved:
            error = self._set(_RUN_KEY, asdict(self._run))
            self._run_saved = error is None
        return error

    def _set(self, key: str, value: dict[str, Any]) -> Exception | None:
        if self._store is None:
            return None
        try:
            self._store.set(key, value)
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
