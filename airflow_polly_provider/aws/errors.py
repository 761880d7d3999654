"""AWS's errors in words that say what to do next."""

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


# ThrottlingException is in none of Polly's operation models, and comes with HTTP status 400.
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
# Credentials that are wrong or worn out; new ones may be there at the next try.
_BAD_CREDENTIALS_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
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
# The one function outside its parsers by which botocore reads an answer.
_READS_ERROR_CODE = "_add_modeled_error_fields"
_PROXY = "It is not in AWS's format: a proxy between Airflow and AWS may have sent it."
# botocore has no class for credentials that were as old after their renewal as before.
_STILL_EXPIRED = "refreshed credentials are still expired"


def error_code(error: ClientError) -> str:
    """Return AWS's error code, such as ``ThrottlingException``; empty where it is not a text."""
    code: object = error.response.get("Error", {}).get("Code", "")
    return code if isinstance(code, str) else ""


def http_status(error: ClientError) -> int:
    """Return the HTTP status that the error came with, 0 where there was none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_throttling(error: ClientError) -> bool:
    """Return whether the request was refused for coming too soon."""
    return error_code(error) in THROTTLING_CODES or http_status(error) == 429


def is_service_failure(error: ClientError) -> bool:
    """Return whether the service failed or gave up waiting, which says nothing of the request."""
    return http_status(error) >= 500 or http_status(error) == 408 or error_code(error) in _TIMEOUT_CODES


def is_from_aws(error: ClientError) -> bool:
    """Return whether an error has AWS's own format.

    What a proxy sends has no error code, and botocore puts the HTTP status in its place; AWS redirects no
    request to Polly.
    """
    code = error_code(error)
    return bool(code) and not code.isdigit() and not 300 <= http_status(error) < 400


def is_denied(error: ClientError) -> bool:
    """Return whether a permission was missing."""
    return error_code(error) in _DENIED_CODES


def is_missing(error: ClientError) -> bool:
    """Return whether S3 has no such bucket or object."""
    return error_code(error) in _MISSING_S3_CODES


class AwsCaller(Protocol):
    """What an error says about who called AWS; the hook is one."""

    @property
    def asked_region(self) -> str:
        """The region that the requests go to."""

    @property
    def connection_missing_for(self) -> float | None:
        """Seconds from the first to the last look-up that found no connection; None if one was found."""

    def describe_connection(self) -> str:
        """Return which connection is used, and whether Airflow has it, as a sentence for an error."""


@contextmanager
def translate_aws_errors(caller: AwsCaller, action: str, subject: str | None = None) -> Iterator[None]:
    """Turn what botocore raises into an error that says what to do; let the rest pass.

    Throttling, 5xx answers, time-outs and connection errors pass through as they are: they say nothing about
    the request. Any other answer that is not in AWS's format becomes a PollyIncompleteAnswerError.

    :param caller: whose connection and region the error names
    :param action: the IAM action asked for, such as ``polly:StartSpeechSynthesisTask``
    :param subject: the id or name asked for, where there is one
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
            f"No AWS region for {action}: {caller.describe_connection()}. Set region_name in the operator, "
            "or region_name in the connection's extra, or AWS_DEFAULT_REGION in the worker's environment."
        ) from error
    except InvalidRegionError as error:
        raise PollyConfigurationError(f"{error} It comes from region_name or the connection.") from error
    except ParamValidationError as error:
        raise PollyInvalidRequestError(f"botocore refused the request: {error}") from error
    except ClientError as error:
        _raise_translated(error, caller, action, subject)
        raise
    except Exception as error:
        if not _is_about_answer(error):
            raise
        raise PollyIncompleteAnswerError(
            f"The answer to {action} cannot be read ({type(error).__name__}: {error}). {_PROXY}"
        ) from error


def _is_about_answer(error: Exception) -> bool:
    """Return whether botocore failed while it read an answer.

    It raises errors of many classes then: AttributeError for a list in place of an object, ValueError for an
    invalid date, UnicodeDecodeError for another encoding than UTF-8.
    """
    return any(
        frame.f_globals.get("__name__") == parsers.__name__ or frame.f_code.co_name == _READS_ERROR_CODE
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


@contextmanager
def translate_credentials_errors(action: str, describe_connection: Callable[[], str]) -> Iterator[None]:
    """Turn botocore's errors about missing credentials into one that says what to do; let the rest pass.

    :param action: what they were needed for
    :param describe_connection: returns which connection lacks them
    """
    try:
        yield
    except (*_NO_CREDENTIALS, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _STILL_EXPIRED not in str(error):
            raise
        raise PollyCredentialsError(
            f"No AWS credentials for {action}: {describe_connection()} ({error}). Set them in the "
            "connection, or give a role to the worker or triggerer that makes the call."
        ) from error


@contextmanager
def translate_s3_errors(*, missing: str, denied: str) -> Iterator[None]:
    """Turn S3's refusals into errors that are never retried; let the rest pass.

    :param missing: what to say where there is no such bucket or object
    :param denied: what to say where a permission is missing
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
        # The connection's own role is assumed first, by STS.
        action = f"sts:{error.operation_name}"
    if is_denied(error):
        raise PollyConfigurationError(
            f"AWS denied {action} in {caller.asked_region}: {message} Allow {action} to the identity that "
            f"was used: {caller.describe_connection()}."
        ) from error
    if code in _BAD_CREDENTIALS_CODES or (by_sts and http_status(error) < 500 and not is_throttling(error)):
        raise PollyCredentialsError(
            f"AWS refused the credentials for {action} ({code}: {message}): {caller.describe_connection()}. "
            "Renew or correct them."
        ) from error
    if code == "SynthesisTaskNotFoundException":
        raise PollySynthesisTaskNotFoundError(
            f"Polly does not know the synthesis task {subject!r} in {caller.asked_region}. It knows a "
            "synthesis task for 72 hours, and only in the account and region that it was started in: "
            f"{caller.describe_connection()}.",
            synthesis_task_id=subject,
        ) from error
    if code == "LexiconNotFoundException":
        raise PollyLexiconNotFoundError(
            f"Polly has no such lexicon{f' as {subject!r}' if subject else ''} in {caller.asked_region} "
            f"({code}): {message} Lexicons belong to an account and a region, and one that was put moments "
            f"ago may not be known yet: {caller.describe_connection()}."
        ) from error
    if is_throttling(error) or is_service_failure(error):
        return
    if not is_from_aws(error):
        page = " ".join(str(message).split())
        raise PollyIncompleteAnswerError(
            f"The answer to {action} is HTTP {http_status(error)}: {page:.200}. {_PROXY}"
        ) from error
    if 400 <= http_status(error) < 500:
        about = f" about {subject!r} in {caller.asked_region}" if subject else ""
        raise PollyInvalidRequestError(f"Polly refused the request{about} ({code}): {message}") from error
