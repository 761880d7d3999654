"""AWS's errors in words that say what to do next."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    PollyInvalidRequestError,
    PollyLexiconNotFoundError,
    PollySynthesisTaskNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.hooks.polly import PollyHook

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
NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
# botocore has no class for credentials that were as old after their renewal as before.
_STILL_EXPIRED = "refreshed credentials are still expired"


def error_code(error: ClientError) -> str:
    """Return AWS's error code, such as ``ThrottlingException``."""
    return error.response.get("Error", {}).get("Code", "")


def http_status(error: ClientError) -> int:
    """Return the HTTP status that the error came with, 0 where there was none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def is_throttling(error: ClientError) -> bool:
    """Tell whether the request was refused for coming too soon."""
    return error_code(error) in THROTTLING_CODES or http_status(error) == 429


def is_service_failure(error: ClientError) -> bool:
    """Tell whether the service failed or gave up waiting, which says nothing of the request."""
    return http_status(error) >= 500 or error_code(error) in _TIMEOUT_CODES


def is_denied(error: ClientError) -> bool:
    """Tell whether a permission was missing."""
    return error_code(error) in _DENIED_CODES


def is_missing(error: ClientError) -> bool:
    """Tell whether S3 has no such bucket or object."""
    return error_code(error) in _MISSING_S3_CODES


@contextmanager
def explained(hook: PollyHook, action: str, subject: str | None = None) -> Iterator[None]:
    """Turn what botocore raises into an error that says what to do; let the rest pass.

    Throttling, 5xx answers, time-outs and connection errors pass through as they are: they say nothing about
    the request.

    :param hook: whose connection and region the error names
    :param action: the IAM action asked for, such as ``polly:StartSpeechSynthesisTask``
    :param subject: the id or name asked for, where there is one
    """
    try:
        yield
    except NoRegionError as error:
        raise PollyConfigurationError(
            f"No AWS region for {action}: {hook.describe_connection()}. Set region_name in the operator, "
            "or region_name in the connection's extra, or AWS_DEFAULT_REGION in the worker's environment."
        ) from error
    except InvalidRegionError as error:
        raise PollyConfigurationError(f"{error} It comes from region_name or the connection.") from error
    except ParamValidationError as error:
        raise PollyInvalidRequestError(f"botocore refused the request: {error}") from error
    except (*NO_CREDENTIALS, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _STILL_EXPIRED not in str(error):
            raise
        raise PollyCredentialsError(
            f"No AWS credentials for {action}: {hook.describe_connection()} ({error}). Set them in the "
            "connection, or give the worker and the triggerer a role."
        ) from error
    except ClientError as error:
        _raise_explained(error, hook, action, subject)
        raise


def _raise_explained(error: ClientError, hook: PollyHook, action: str, subject: str | None) -> None:
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    if error.operation_name not in action:
        # The connection's own role is assumed first, by STS.
        action = f"sts:{error.operation_name}"
    if is_denied(error):
        raise PollyConfigurationError(
            f"AWS denied {action} in {hook.asked_region}: {message} Allow {action} to the identity that "
            f"was used: {hook.describe_connection()}."
        ) from error
    if code in _BAD_CREDENTIALS_CODES:
        raise PollyCredentialsError(
            f"AWS refused the credentials for {action} ({code}: {message}): {hook.describe_connection()}. "
            "Renew or correct them."
        ) from error
    if code == "SynthesisTaskNotFoundException":
        raise PollySynthesisTaskNotFoundError(
            f"Polly does not know the synthesis task {subject!r} in {hook.asked_region}. It knows a "
            "synthesis task for 72 hours, and only in the account and region that it was started in: "
            f"{hook.describe_connection()}.",
            synthesis_task_id=subject,
        ) from error
    if code == "LexiconNotFoundException":
        raise PollyLexiconNotFoundError(
            f"Polly has no such lexicon{f' as {subject!r}' if subject else ''} in {hook.asked_region} "
            f"({code}): {message} Lexicons belong to an account and a region, and one that was put moments "
            f"ago may not be known yet: {hook.describe_connection()}."
        ) from error
    if 400 <= http_status(error) < 500 and not is_throttling(error) and not is_service_failure(error):
        about = f" about {subject!r} in {hook.asked_region}" if subject else ""
        raise PollyInvalidRequestError(f"Polly refused the request{about} ({code}): {message}") from error
