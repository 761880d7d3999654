"""What earlier tries of a run noted about their start, in Airflow's task state store (Airflow 3.3+)."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyError

try:
    from airflow.sdk.exceptions import AirflowRuntimeError
except ImportError:  # Airflow 2 has no task state store, so nothing can raise it there.

    class AirflowRuntimeError(Exception):  # type: ignore[no-redef]
        """Stands in where Airflow has none."""


if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

_KEY = "polly_start"


@dataclass(frozen=True)
class StartNote:
    """A note about a start.

    :param token: the token of the request in its run
    :param asked_at: when Polly was asked, in seconds since the epoch
    :param synthesis_task_id: Polly's ``TaskId``; None while Polly's answer is not known
    """

    token: str
    asked_at: float
    synthesis_task_id: str | None = None


class StartMemory:
    """Notes that outlive a try. They also outlive a clear, so each is checked against the token.

    A store that cannot be read or written costs a warning and no more: the token in the output's key is the
    memory underneath.

    :param context: the running task's context
    :param token: the token of the request in this run
    """

    def __init__(self, context: Context, token: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._token = token

    @property
    def available(self) -> bool:
        """Whether the absence of a note means that no try of this run asked Polly."""
        return self._store is not None

    def recall(self) -> StartNote | None:
        """Return the last note of this run, None if there is none."""
        if self._store is None:
            return None
        try:
            stored = self._store.get(_KEY)
        except AirflowRuntimeError as error:
            log.warning("Cannot read Airflow's task state store: %s", error)
            self._store = None
            return None
        if not isinstance(stored, dict) or stored.get("token") != self._token:
            return None
        return StartNote(**stored)

    def note_asking(self) -> None:
        """Note that Polly is about to be asked.

        :raises PollyError: Airflow has taken this try for dead, and another may be under way
        """
        if (error := self._write(StartNote(self._token, time.time()))) is not None and _try_is_over(error):
            raise PollyError(
                "Airflow has ended this try of the task and may have begun another; no synthesis task is "
                "started here, or both might start one."
            ) from error

    def note_started(self, synthesis_task_id: str) -> None:
        """Note which synthesis task was started.

        :param synthesis_task_id: Polly's ``TaskId``
        """
        self._write(StartNote(self._token, time.time(), synthesis_task_id))

    def _write(self, note: StartNote) -> AirflowRuntimeError | None:
        if self._store is None:
            return None
        try:
            self._store.set(_KEY, asdict(note))
        except AirflowRuntimeError as error:
            log.warning("Cannot write Airflow's task state store: %s", error)
            self._store = None
            return error
        return None


def _try_is_over(error: Any) -> bool:
    """Tell whether the store refused a note because the task instance is now another try's."""
    answer = (error.error.detail or {}).get("detail")
    reason = answer.get("detail") if isinstance(answer, dict) else None
    return isinstance(reason, dict) and reason.get("reason") == "not_found"
