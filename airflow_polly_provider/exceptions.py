"""Every error that this package raises.

::

    AirflowException
    └── PollyError
        ├── PollyCredentialsError                      no usable credentials (a retry may mend it)
        │   └── PollyConnectionNotFoundError           … since the connection was not found
        ├── PollyIncompleteAnswerError                 an answer was cut short, or is not Polly's
        ├── PollySynthesisTaskFailedError              Polly reports TaskStatus ``failed``
        │   └── PollySynthesisTaskFailedFinalError     … and starting again is not this task's work
        ├── PollyWaitTimeoutError                      the wait's ``timeout`` passed
        ├── PollyOutputObjectError                     the audio is made, but not at ``output_s3_key``
        └── PollyFinalError                            also AirflowFailException: no retry can mend it
            ├── PollyInvalidRequestError               the request would be, or was, refused as it stands
            │   ├── PollySsmlError                     also ValueError: SSML cannot be made of what was given
            │   └── PollyLexiconNotFoundError          … for a lexicon that is not in this region
            ├── PollyInvalidNotificationError          not a notification of Polly
            ├── PollyConfigurationError                no region, no permission
            └── PollySynthesisTaskNotFoundError        Polly does not know the id

All derive from ``AirflowException``, since Airflow 2.11 lets ``soft_fail`` skip nothing else when a deferred
task resumes.
"""

from __future__ import annotations

from airflow_polly_provider.compat import AirflowException, AirflowFailException


class PollyError(AirflowException):
    """Base of every error of this package.

    :param message: what happened and what to do next
    :param synthesis_task_id: Polly's ``TaskId``, where one is concerned
    :param task_status: Polly's ``TaskStatus``, where it is known
    :param task_status_reason: Polly's ``TaskStatusReason``, where it gave one
    """

    def __init__(
        self,
        message: str,
        *,
        synthesis_task_id: str | None = None,
        task_status: str | None = None,
        task_status_reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.synthesis_task_id = synthesis_task_id
        self.task_status = task_status
        self.task_status_reason = task_status_reason
        self.connection_missing_for: float | None = None
        """Seconds for which Airflow has not found the connection: the answer may be another account's."""


class PollyFinalError(PollyError, AirflowFailException):
    """An error that no retry of the Airflow task can mend."""


class PollyInvalidRequestError(PollyFinalError):
    """The request is refused as it stands: by a check before sending, or by Polly."""


class PollyInvalidNotificationError(PollyFinalError):
    """A message is not a notification of Polly about a synthesis task."""


class PollyLexiconNotFoundError(PollyInvalidRequestError):
    """Polly has no lexicon of that name in the region asked."""


class PollySsmlError(PollyInvalidRequestError, ValueError):
    """SSML cannot be made of what was given: XML cannot hold the text, or Polly does not take a value."""


class PollyConfigurationError(PollyFinalError):
    """A region, a permission or a trusted certificate is missing."""


class PollySynthesisTaskNotFoundError(PollyFinalError):
    """Polly does not know the synthesis task in the region asked."""


class PollyCredentialsError(PollyError):
    """There are no usable credentials now."""


class PollyConnectionNotFoundError(PollyCredentialsError):
    """A connection that was asked for by name is not found now; nothing was sent with other credentials."""


class PollyIncompleteAnswerError(PollyError):
    """The answer cannot be used: it was cut short on its way, or a proxy sent it in Polly's place."""


class PollyWaitTimeoutError(PollyError):
    """``timeout``, or ``execution_timeout``, passed before the synthesis task came to its end."""


class PollyOutputObjectError(PollyError):
    """The finished object could not be put at ``output_s3_key``.

    The next try takes it up again; with ``durable=False``, or where the audio is gone, it may start, and pay,
    afresh.
    """


class PollySynthesisTaskFailedError(PollyError):
    """The synthesis task ended with TaskStatus ``failed``; ``task_status_reason`` says why."""


class PollySynthesisTaskFailedFinalError(PollySynthesisTaskFailedError, PollyFinalError):
    """The same where asking again can only give the same answer (sensor, get operator)."""
