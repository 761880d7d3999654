"""Storage of start attempts for later tries, in Airflow's task state store (Airflow 3.3+)."""

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
    """An attempt to start a synthesis task.

    :param token: the token of the request in its run
    :param asked_at: the time of the request, in seconds since the epoch
    :param synthesis_task_id: Polly's ``TaskId``; None until Polly's response is known
    """

    token: str
    asked_at: float
    synthesis_task_id: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Attempt:
        """Return the attempt in a record of the store, ignoring fields that a later version may have added.

        :param record: the stored record
        :raises TypeError: a field has the wrong type
        """
        asked_at, synthesis_task_id = record.get("asked_at"), record.get("synthesis_task_id")
        if not isinstance(asked_at, int | float) or not isinstance(synthesis_task_id, str | None):
            raise TypeError(f"the record {dict(record)} has an unknown format")
        return cls(record["token"], asked_at, synthesis_task_id)


class LastAttempt(NamedTuple):
    """The last attempt of a run, if it is known.

    :param attempt: the attempt; None if there is none, or if it is not known
    :param is_known: whether ``attempt=None`` means that no try of this run sent a request
    :param only_unfinished: whether the attempt's synthesis task may be adopted only while it is unfinished
    :param of_another_run: the ``TaskId`` of an earlier run's synthesis task, which may have the same token
    """

    attempt: Attempt | None
    is_known: bool
    only_unfinished: bool = False
    of_another_run: str | None = None


@dataclass(frozen=True)
class AttemptedRun:
    """The run of an Airflow task in which an attempt was made, and whether the task delivered its result.

    Clearing a task changes its token, both while the task is running and after it has ended. The fields of
    this class distinguish the two cases.

    :param token: the token of the attempt
    :param digest: the digest of the request
    :param began: the same as in :class:`~airflow_polly_provider.start.current_run.CurrentRun`
    :param ends_in_triggerer: whether the task ends in the triggerer, which cannot record the success
    :param delivered: whether the task has delivered its result
    """

    token: str
    digest: str
    began: str
    ends_in_triggerer: bool = False
    delivered: bool = False


class AttemptStore:
    """Saves start attempts for later tries.

    A saved attempt remains when the task is cleared, so ``load`` checks which run it belongs to. If the store
    cannot be read or written, a warning is logged. Later tries then list the account's synthesis tasks, and
    find the right one by the token in its output key.

    :param context: the running task's context
    :param token: the token of the request in this run
    :param digest: the digest of the request
    :param ends_in_triggerer: whether the task ends in the triggerer, without a worker
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
        """Return the last attempt of this run, if it is known."""
        if self._store is None:
            return LastAttempt(None, is_known=False)
        try:
            stored = self._store.get(_KEY)
            if not isinstance(stored, dict):
                return LastAttempt(None, is_known=True)
            run = self._store.get(_RUN_KEY)
            if not isinstance(run, dict) or run.get("token") != stored.get("token"):
                # An earlier version of this package did not save the run.
                run = {**asdict(self._run), "token": stored.get("token"), "delivered": True}
            if not self._is_of_this_run(run):
                return LastAttempt(None, is_known=True, of_another_run=stored.get("synthesis_task_id"))
            return LastAttempt(
                Attempt.from_record(stored),
                is_known=True,
                only_unfinished=run["token"] != self.token and bool(run.get("ends_in_triggerer")),
            )
        except Exception as error:  # noqa: BLE001  # a deployment's own back-end can raise any error
            log.warning(
                "Cannot read Airflow's task state store: %s. If this is a retry, it searches the account's "
                "synthesis tasks instead.",
                error,
            )
            return LastAttempt(None, is_known=False)

    def _is_of_this_run(self, run: Mapping[str, Any]) -> bool:
        """Return whether an earlier try of this run made the attempt, before or after a clear."""
        if run.get("began") != self._run.began:
            return False
        return run["token"] == self.token or (
            run.get("digest") == self._run.digest and not run.get("delivered")
        )

    def save_request(self) -> bool:
        """Record that a start request is about to be sent. Return whether later tries can rely on the record.

        The result is also True if Airflow has no store, because then no try relies on a record.

        :raises PollyError: Airflow has ended this try, and another may be running
        """
        if (error := self._write(Attempt(self.token, time.time()))) is not None and _try_is_over(error):
            raise PollyError(
                "Airflow has ended this try of the task and may have begun another. This try starts no "
                "further synthesis task, because the other try may start one too."
            ) from error
        return not self._failed

    def save_started(self, synthesis_task_id: str) -> None:
        """Save the id of the synthesis task that was started.

        :param synthesis_task_id: Polly's ``TaskId``
        """
        self._write(Attempt(self.token, time.time(), synthesis_task_id))

    def save_delivered(self) -> None:
        """Record that the task delivered its result. If cleared later, it starts a new synthesis task."""
        self._set(_RUN_KEY, asdict(replace(self._run, delivered=True)))

    def _write(self, attempt: Attempt) -> Exception | None:
        # The attempt is written first: if the process ends before the run is written, the next try still
        # finds the attempt by its token.
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
        except Exception as error:  # noqa: BLE001  # a deployment's own back-end can raise any error
            log.warning("Cannot write Airflow's task state store: %s", error)
            self._store = None
            self._failed = True
            return error
        return None


def _try_is_over(error: Any) -> bool:
    """Return whether the store rejected an attempt because another try has replaced this one."""
    # The error is an AirflowRuntimeError with the API server's response. Airflow 2 does not have this class.
    refusal = getattr(error, "error", None)
    answer = (getattr(refusal, "detail", None) or {}).get("detail")
    reason = answer.get("detail") if isinstance(answer, dict) else None
    return isinstance(reason, dict) and reason.get("reason") == "not_found"
