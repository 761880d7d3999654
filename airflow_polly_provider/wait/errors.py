"""Which errors do not end a wait.

One set of rules for the deferred wait, the wait in a worker and the sensor's poke.
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
"""How long an unknown id does not end a wait: Polly may show a new synthesis task late."""

CHECK_ERRORS = (PollyError, ClientError, ConnectionError, HTTPClientError)
"""What asking for a status can raise; :func:`wait_goes_on` judges them."""

CREDENTIALS_GRACE_SECONDS = 15 * 60.0
"""How long a wait lasts without usable credentials; they are looked up again meanwhile."""


class CredentialsOutage:
    """How long credentials have been refused, from the first refusal on and not from the last check before.

    A wait that seldom asks would else find its grace used up when it learns that credentials expired.
    """

    def __init__(self) -> None:
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """The seconds since the first refusal; 0 where credentials were usable at the last check."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def note(self, error: Exception | None) -> None:
        """Take note of a check.

        :param error: what it failed with; None where it went well
        """
        if isinstance(error, PollyCredentialsError):
            self._began = time.monotonic() if self._began is None else self._began
        elif error is None or isinstance(error, ClientError | PollyError):
            self._began = None

    def next_check_in(self, usual: float) -> float:
        """Return the seconds until the next check: soon while credentials are refused.

        :param usual: the seconds until then otherwise
        """
        return usual if self._began is None else min(usual, Schedule().next_check_in(self.seconds))


def is_worth_a_new_look_up(error: Exception) -> bool:
    """Return whether connection and credentials should be looked up anew after a check that failed.

    :param error: what the hook raised
    """
    return isinstance(error, PollyCredentialsError) or _may_be_of_another_account(error)


def _may_be_of_another_account(error: Exception) -> bool:
    """Return whether the answer may be another account's, because the connection was not found just now."""
    missing_for = error.connection_missing_for if isinstance(error, PollyError) else None
    return missing_for is not None and missing_for < LOOK_UP_GRACE_SECONDS


def wait_goes_on(error: Exception, waited: float, without_credentials: float = math.inf) -> bool:
    """Return whether a wait continues after a check that failed with ``error``.

    Throttling, 5xx answers, time-outs and a broken network say nothing about the synthesis task. An unknown
    id may be one that was started a moment ago; credentials may be renewed. An answer that was got without
    the connection, which may be back at the next look-up, is not trusted yet.

    :param error: what the hook raised
    :param waited: seconds since the wait began
    :param without_credentials: seconds since credentials were first refused
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
    """Return the error of a wait whose deadline passed.

    :param synthesis_task_id: Polly's ``TaskId``
    :param last_status: the TaskStatus seen last, or None if none was seen
    """
    return PollyWaitTimeoutError(
        f"Synthesis task {synthesis_task_id} was {last_status or 'not seen at all'} when the timeout passed, "
        "or the execution_timeout, if that is shorter. It runs on and is billed, since Polly cannot cancel "
        "it: give a longer timeout or execution_timeout, or look for it with the get operator.",
        synthesis_task_id=synthesis_task_id,
        task_status=last_status,
    )
