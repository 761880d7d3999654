"""Translation of AWS's errors into errors that say what to do next."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from botocore import parsers
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
    PollyLexiconNotFoundError,
    PollySynthesisTaskNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# ThrottlingException is not in the service model of any Polly operation. Polly sends it with HTTP status 400.
THROTTLING_CODES = frozenset(
    {
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TIMEOUT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})
_DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
_MISSING_S3_CODES = frozenset({"404", "NoSuchBucket", "NoSuchKey"})
# The credentials are wrong or expired. The next try may find new ones.
_BAD_CREDENTIALS_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",  # of S3
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
# botocore's only function outside botocore.parsers that reads a response.
_READS_ERROR_CODE = "_add_modeled_error_fields"
_PROXY = "It is not in AWS's format: a proxy between Airflow and AWS may have sent it."
# botocore has no error class for expired credentials: it raises a RuntimeError with this text.
_STILL_EXPIRED = "refreshed credentials are still expired"


def error_code(error: ClientError) -> str:
    """Return AWS's error code, such as ``ThrottlingException``; empty if it is not a string."""
    code: object = error.response.get("Error", {}).get("Code", "")
    return code if isinstance(code, str) else ""


def http_status(error: ClientError) -> int:
    """Return the HTTP status of the error response, or 0 if it has none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_throttling(error: ClientError) -> bool:
    """Return whether AWS throttled the request."""
    return error_code(error) in THROTTLING_CODES or http_status(error) == 429


def is_service_failure(error: ClientError) -> bool:
    """Return whether the service failed or timed out. The request itself may be valid."""
    return http_status(error) >= 500 or http_status(error) == 408 or error_code(error) in _TIMEOUT_CODES


def is_from_aws(error: ClientError) -> bool:
    """Return whether an error has AWS's own format.

    A proxy's response has no error code, so botocore uses the HTTP status as the code. A redirect (3xx) comes
    from a proxy too: AWS does not send redirects for requests to Polly.
    """
    code = error_code(error)
    return bool(code) and not code.isdigit() and not 300 <= http_status(error) < 400


def is_denied(error: ClientError) -> bool:
    """Return whether AWS denied the request because a permission is missing."""
    return error_code(error) in _DENIED_CODES


def is_about_credentials(error: ClientError) -> bool:
    """Return whether AWS rejected the credentials because they are wrong or expired."""
    return error_code(error) in _BAD_CREDENTIALS_CODES


def is_missing(error: ClientError) -> bool:
    """Return whether the S3 bucket or object does not exist."""
    return error_code(error) in _MISSING_S3_CODES


class AwsCaller(Protocol):
    """The AWS connection and region, described for error messages; the hook provides this."""

    @property
    def asked_region(self) -> str:
        """The region that the requests go to."""

    @property
    def connection_missing_for(self) -> float | None:
        """Seconds from the first to the last failed look-up; None if the connection was found."""

    def describe_connection(self) -> str:
        """Return text for error messages: which connection was used, and whether Airflow found it."""


@contextmanager
def translate_aws_errors(caller: AwsCaller, action: str, subject: str | None = None) -> Iterator[None]:
    """Translate botocore's errors into errors that say what to do. Other errors are raised unchanged.

    Throttling, 5xx responses, time-outs and connection errors pass through unchanged, because the request may
    be valid. Any other response that is not in AWS's format becomes a PollyIncompleteAnswerError.

    :param caller: the caller, whose connection and region the error names
    :param action: the IAM action of the request, such as ``polly:StartSpeechSynthesisTask``
    :param subject: the id or name in the request, if it has one
    """
    try:
        with _translate(caller, action, subject):
            yield
    except PollyError as translated:
        translated.connection_missing_for = caller.connection_missing_for
        raise


@contextmanager
def _translate(caller: AwsCaller, action: str, subject: str | None) -> Iterator[None]:
    try:
        with translate_credentials_errors(action, caller.describe_connection):
            yield
    except NoRegionError as error:
        raise PollyConfigurationError(
            f"No AWS region for {action} ({caller.describe_connection()}). Set region_name in the operator, "
            "or region_name in the connection's extra, or AWS_DEFAULT_REGION in the worker's environment."
        ) from error
    except InvalidRegionError as error:
        raise PollyConfigurationError(
            f"{error} Correct region_name in the operator, region_name in the connection's extra, or "
            "AWS_DEFAULT_REGION in the worker's environment."
        ) from error
    except ParamValidationError as error:
        raise PollyInvalidRequestError(f"botocore rejected the request: {error}") from error
    except ClientError as error:
        _raise_translated(error, caller, action, subject)
        raise
    except Exception as error:
        if not _is_about_answer(error):
            raise
        raise PollyIncompleteAnswerError(
            f"The response to {action} cannot be read ({type(error).__name__}: {error}). {_PROXY}"
        ) from error


def _is_about_answer(error: Exception) -> bool:
    """Return whether botocore failed while it parsed a response.

    The error can be of many classes: AttributeError for a list in place of an object, ValueError for an
    invalid date, UnicodeDecodeError for an encoding other than UTF-8.
    """
    return any(
        frame.f_globals.get("__name__") == parsers.__name__ or frame.f_code.co_name == _READS_ERROR_CODE
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


@contextmanager
def translate_credentials_errors(action: str, describe_connection: Callable[[], str]) -> Iterator[None]:
    """Translate botocore's errors about missing credentials into an error that says what to do.

    Other errors are raised unchanged.

    :param action: the action that needs the credentials
    :param describe_connection: function that returns text about the connection, for the error message
    """
    try:
        yield
    except (*_NO_CREDENTIALS, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _STILL_EXPIRED not in str(error):
            raise
        raise PollyCredentialsError(
            f"No AWS credentials for {action} ({describe_connection()}; {error}). Set them in the "
            "connection, or give a role to the worker or triggerer that makes the call."
        ) from error


@contextmanager
def translate_s3_errors(*, missing: str, denied: str) -> Iterator[None]:
    """Translate S3's errors about missing objects and permissions into final errors.

    Other errors are raised unchanged.

    :param missing: the message if the bucket or object does not exist
    :param denied: the message if a permission is missing
    """
    try:
        yield
    except ClientError as error:
        if is_missing(error):
            raise PollyInvalidRequestError(f"{missing}: {error}") from error
        if is_denied(error):
            raise PollyConfigurationError(f"{denied}: {error}") from error
        raise


def _raise_translated(error: ClientError, caller: AwsCaller, action: str, subject: str | None) -> None:
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    by_sts = error.operation_name not in action
    if by_sts:
        # The request failed when STS assumed the connection's role, before anything was sent to Polly.
        action = f"sts:{error.operation_name}"
    if is_denied(error):
        raise PollyConfigurationError(
            f"AWS denied {action} in {caller.asked_region}. Allow {action} to the identity that was used "
            f"({caller.describe_connection()}). AWS's message: {message}"
        ) from error
    if is_about_credentials(error) or (by_sts and http_status(error) < 500 and not is_throttling(error)):
        raise PollyCredentialsError(
            f"AWS rejected the credentials for {action} ({caller.describe_connection()}). Renew or correct "
            f"them. AWS's message: {code}: {message}"
        ) from error
    if code == "SynthesisTaskNotFoundException":
        raise PollySynthesisTaskNotFoundError(
            f"Polly does not know the synthesis task {subject!r} in {caller.asked_region}. Polly keeps a "
            "synthesis task for 72 hours, and only in the account and region in which it was started. Check "
            f"the id, the region and the account ({caller.describe_connection()}).",
            synthesis_task_id=subject,
        ) from error
    if code == "LexiconNotFoundException":
        raise PollyLexiconNotFoundError(
            f"Polly has no such lexicon{f' ({subject!r})' if subject else ''} in {caller.asked_region} "
            f"({code}). A lexicon belongs to one account and one region. Polly may "
            "need a few seconds to find a lexicon that was just stored. Check the name, the region and the "
            f"account ({caller.describe_connection()}). AWS's message: {message}"
        ) from error
    if is_throttling(error) or is_service_failure(error):
        return
    if not is_from_aws(error):
        page = " ".join(str(message).split())
        raise PollyIncompleteAnswerError(
            f"The response to {action} is HTTP {http_status(error)}: {page:.200}. {_PROXY}"
        ) from error
    if 400 <= http_status(error) < 500:
        about = f" about {subject!r} in {caller.asked_region}" if subject else ""
        raise PollyInvalidRequestError(f"Polly rejected the request{about} ({code}): {message}") from error
