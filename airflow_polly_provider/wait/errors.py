"""Which errors end a wait.

The deferred wait, the wait in a worker and the sensor's poke use the same rules.
"""

from __future__ import annotations

import math
import time

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from airflow_polly_provider.aws.connection import LOOK_UP_GRACE_SECONDS
from airflow_polly_provider.aws.errors import is_service_failure, is_throttling
from airflow_polly_provider.exceptions import (
    PollyCredentialsError,
    PollyError,
    PollyIncompleteAnswerError,
    PollySynthesisTaskNotFoundError,
    PollyWaitTimeoutError,
)
from airflow_polly_provider.wait.schedule import Schedule

NOT_FOUND_GRACE_SECONDS = 30.0
"""How long a wait continues although Polly does not know the id: a new id may be known only after a delay."""

CHECK_ERRORS = (PollyError, ClientError, ConnectionError, HTTPClientError)
"""The errors that a status request can raise; :func:`wait_goes_on` decides which of them end a wait."""

CREDENTIALS_GRACE_SECONDS = 15 * 60.0
"""How long a wait continues without usable credentials. During this time, they are looked up again."""


class CredentialsOutage:
    """How long credentials have been rejected, counted from the first rejection.

    The time does not count from the last successful check. If it did, a long interval between checks would
    use up the grace period before the first rejection.
    """

    def __init__(self) -> None:
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """The seconds since the first rejection; 0 if the credentials were usable at the last check."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def note(self, error: Exception | None) -> None:
        """Record the outcome of a check.

        :param error: the error of the check; None if it succeeded
        """
        if isinstance(error, PollyCredentialsError):
            self._began = time.monotonic() if self._began is None else self._began
        elif error is None or isinstance(error, ClientError | PollyError):
            self._began = None

    def next_check_in(self, usual: float) -> float:
        """Return the seconds until the next check. While credentials are rejected, the interval is shorter.

        :param usual: the seconds until the next check while credentials are accepted
        """
        return usual if self._began is None else min(usual, Schedule().next_check_in(self.seconds))


def is_worth_a_new_look_up(error: Exception) -> bool:
    """Return whether to look up the connection and credentials again after a check that failed.

    :param error: the error that the hook raised
    """
    return isinstance(error, PollyCredentialsError) or _may_be_of_another_account(error)


def _may_be_of_another_account(error: Exception) -> bool:
    """Return whether the response may be from another account, because the connection was not found."""
    missing_for = error.connection_missing_for if isinstance(error, PollyError) else None
    return missing_for is not None and missing_for < LOOK_UP_GRACE_SECONDS


def wait_goes_on(error: Exception, waited: float, without_credentials: float = math.inf) -> bool:
    """Return whether a wait continues after a check that failed with ``error``.

    After throttling, 5xx responses, time-outs and network failures, the status of the synthesis task is
    unknown. An unknown id may belong to a synthesis task that was started a moment ago. Credentials may be
    renewed. If the connection was not found, the response may be from another account, and the next look-up
    may find the connection.

    :param error: the error that the hook raised
    :param waited: seconds since the wait began
    :param without_credentials: seconds since credentials were first rejected
    """
    if _may_be_of_another_account(error):
        return True
    if isinstance(error, ClientError):
        return is_throttling(error) or is_service_failure(error)
    if isinstance(error, PollySynthesisTaskNotFoundError):
        return waited < NOT_FOUND_GRACE_SECONDS
    if isinstance(error, PollyCredentialsError):
        return without_credentials < CREDENTIALS_GRACE_SECONDS
    return isinstance(error, ConnectionError | HTTPClientError | PollyIncompleteAnswerError)


def timed_out(synthesis_task_id: str, last_status: str | None) -> PollyWaitTimeoutError:
    """Return the error for a wait whose deadline has passed.

    :param synthesis_task_id: Polly's ``TaskId``
    :param last_status: the last known TaskStatus, or None if it was never known
    """
    return PollyWaitTimeoutError(
        f"Timed out waiting for synthesis task {synthesis_task_id} (last status: {last_status or 'unknown'})"
        ": timeout passed, or execution_timeout if it is shorter. Polly cannot cancel the synthesis task, so "
        "it keeps running and is billed. Set a longer time, or fetch the result later with the get "
        "operator.",
        synthesis_task_id=synthesis_task_id,
        task_status=last_status,
    )
