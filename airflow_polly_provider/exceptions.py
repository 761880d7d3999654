"""All errors that this package raises.

::

    AirflowException
    └── PollyError
        ├── PollyCredentialsError                      no usable credentials; a retry may succeed
        │   └── PollyConnectionNotFoundError           … because the connection was not found
        ├── PollyIncompleteAnswerError                 a response is incomplete or not from Polly
        ├── PollySynthesisTaskFailedError              Polly reports TaskStatus ``failed``
        │   └── PollySynthesisTaskFailedFinalError     … not retryable: this task did not start it
        ├── PollyWaitTimeoutError                      the ``timeout`` of the wait passed
        ├── PollyOutputObjectError                     the audio exists, but not at ``output_s3_key``
        ├── PollyManifestReplacedError                 another try or run has written the batch's manifest
        ├── PollyBatchError                            some items of a batch failed; a retry starts only these
        └── PollyFinalError                            also AirflowFailException: never retried
            ├── PollyInvalidRequestError               the request is invalid
            │   ├── PollySsmlError                     also ValueError: the values cannot form valid SSML
            │   └── PollyLexiconNotFoundError          … the lexicon does not exist in this region
            ├── PollyInvalidNotificationError          not an Amazon Polly notification
            ├── PollyConfigurationError                no region, permission or trusted certificate
            └── PollySynthesisTaskNotFoundError        Polly does not know the id

All errors derive from ``AirflowException``: when a deferred task resumes on Airflow 2.11, ``soft_fail`` skips
the task only for errors of that class.
"""

from __future__ import annotations

from airflow_polly_provider.compat import AirflowException, AirflowFailException


class PollyError(AirflowException):
    """Base class of all errors of this package.

    :param message: what is wrong and what to do next
    :param synthesis_task_id: Polly's ``TaskId``, if the error is about one synthesis task
    :param task_status: Polly's ``TaskStatus``, if it is known
    :param task_status_reason: Polly's ``TaskStatusReason``, if Polly returned one
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
        """Seconds for which look-ups of the connection have failed; None if it was found or not requested.

        Without the connection, the request may have gone to another AWS account.
        """


class PollyFinalError(PollyError, AirflowFailException):
    """An error that a retry cannot fix. Airflow does not retry the task."""


class PollyInvalidRequestError(PollyFinalError):
    """The request is invalid: a check rejected it before it was sent, or Polly rejected it."""


class PollyInvalidNotificationError(PollyFinalError):
    """A message is not an Amazon Polly notification about a synthesis task."""


class PollyLexiconNotFoundError(PollyInvalidRequestError):
    """Polly has no lexicon with this name in the region of the request."""


class PollySsmlError(PollyInvalidRequestError, ValueError):
    """SSML cannot be built: XML does not allow a character in the text, or Polly does not accept a value."""


class PollyConfigurationError(PollyFinalError):
    """A region, a permission or a trusted certificate is missing."""


class PollySynthesisTaskNotFoundError(PollyFinalError):
    """Polly has no synthesis task with this id in the region of the request."""


class PollyCredentialsError(PollyError):
    """No usable AWS credentials are available. A retry may succeed."""


class PollyConnectionNotFoundError(PollyCredentialsError):
    """The connection named by ``aws_conn_id`` was not found. No request was sent with other credentials."""


class PollyIncompleteAnswerError(PollyError):
    """The response is unusable: it is incomplete, or a proxy sent it instead of Polly."""


class PollyWaitTimeoutError(PollyError):
    """``timeout`` or ``execution_timeout`` passed before the synthesis task completed or failed."""


class PollyOutputObjectError(PollyError):
    """The audio was synthesized, but could not be copied to ``output_s3_key``.

    The next try continues with the existing audio. With ``durable=False``, or if the audio no longer exists,
    the next try may start and pay for a new synthesis task.
    """


class PollyManifestReplacedError(PollyError):
    """Another try of the Airflow task, or another run, has written the batch's manifest since it was read.

    The try that raises this error must not start anything or write anything.
    """


class PollyBatchError(PollyError):
    """Some items of a batch failed. The other items are delivered; a retry starts only the failed items."""


class PollySynthesisTaskFailedError(PollyError):
    """The synthesis task ended with TaskStatus ``failed``. ``task_status_reason`` contains Polly's reason."""


class PollySynthesisTaskFailedFinalError(PollySynthesisTaskFailedError, PollyFinalError):
    """A failed synthesis task that the Airflow task did not start (sensor, get operator).

    Airflow does not retry the task, because a retry would find the same failed synthesis task.
    """
