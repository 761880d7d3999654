"""Retries a billed call, but only while it is certain that nothing was billed."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)
from urllib3.exceptions import ConnectTimeoutError as ProxyTimeoutError
from urllib3.exceptions import NewConnectionError

from airflow_polly_provider.aws.errors import is_throttling
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyConnectionNotFoundError,
    PollyCredentialsError,
    PollyIncompleteAnswerError,
)
from airflow_polly_provider.start.backoff import full_jitter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_polly_provider.hooks.polly import PollyHook

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

MAY_HAVE_STARTED = (ClientError, ConnectionError, HTTPClientError, PollyIncompleteAnswerError)
"""Errors of :func:`start_until_accepted` that do not mean that Polly rejected the request.

:func:`surely_not_accepted` returns whether such an error proves that nothing was started.
"""

# Nothing was sent, so the request may be repeated.
_NOT_SENT = (EndpointConnectionError, ConnectTimeoutError)
_PROXY_NOT_REACHED = (NewConnectionError, ProxyTimeoutError)

THROTTLED_PATIENCE_SECONDS = 60 * 60.0
"""How long a throttled start is retried. Polly accepts hundreds of starts in this time."""

NOT_SENT_PATIENCE_SECONDS = 5 * 60.0
"""How long a start that could not be sent is retried. After this time, the endpoint is probably wrong."""

REFUSED_PATIENCE_SECONDS = 60.0
"""How long a start is retried while the connection is refused: the host exists, but nothing listens there."""

LONGEST_BACK_OFF_SECONDS = 60.0
"""The longest pause before a start is retried, so that a retry follows soon after throttling ends."""


def start_until_accepted(
    hook: PollyHook, request: Mapping[str, Any], *, before_each: Callable[[], None] = lambda: None
) -> Mapping[str, Any]:
    """Start a synthesis task. Retry while Polly throttles the request or cannot be reached.

    :param hook: the hook that sends the requests
    :param request: StartSpeechSynthesisTask's parameters
    :param before_each: function that is called before each request
    :raises PollyInvalidRequestError: Polly rejects the request
    :raises ClientError: a 5xx response, or throttling for an hour
    :raises ConnectionError: Polly could not be reached for five minutes, or its endpoint refused connections
        for one minute
    :raises HTTPClientError: the response was lost
    """
    call = partial(hook.start_speech_synthesis_task, request)
    return retry_until_accepted(call, hook, "start", before_each=before_each)


def retry_until_accepted(
    call: Callable[[], Answer], hook: PollyHook, what: str, *, before_each: Callable[[], None] = lambda: None
) -> Answer:
    """Make a call. Retry while Polly throttles it or cannot be reached, because Polly then bills nothing.

    :param call: function that makes the call once
    :param hook: the hook, which looks up its credentials once more if AWS rejects them
    :param what: the name of the call for the log
    :param before_each: function that is called before each call
    :raises PollyInvalidRequestError: Polly rejects the request
    :raises PollyConfigurationError: the endpoint's certificate cannot be verified
    :raises ClientError: a 5xx response, or throttling for an hour
    :raises ConnectionError: Polly could not be reached for five minutes, or its endpoint refused connections
        for one minute
    :raises HTTPClientError: the response was lost
    """
    began = same_since = time.monotonic()
    patience, repeats, renewed = 0.0, 0, False
    while True:
        before_each()
        try:
            return call()
        except PollyCredentialsError as error:
            # The hook has already repeated the look-up of the connection.
            if renewed or isinstance(error, PollyConnectionNotFoundError):
                raise
            hook.renew()
            renewed = True
        except MAY_HAVE_STARTED as error:
            raise_if_unverified(error)
            now = time.monotonic()
            if (allowed := patience_with(error)) != patience:
                # Each kind of error has its own limit: time spent on throttling does not count towards the
                # limit for refused connections.
                patience, same_since = allowed, now
            remaining = min(same_since + patience, began + THROTTLED_PATIENCE_SECONDS) - now
            if remaining <= 0:
                raise
            repeats += 1
            delay = min(full_jitter(repeats, LONGEST_BACK_OFF_SECONDS), remaining)
            log.warning(
                "%s (%s). Retrying the %s in %.1f s, giving up in %.0f s",
                "Polly throttled the request"
                if isinstance(error, ClientError)
                else "Polly could not be reached",
                error,
                what,
                delay,
                remaining,
            )
            time.sleep(delay)


def raise_if_unverified(error: Exception) -> None:
    """Raise a final error if the request was never sent because the certificate is not trusted.

    :param error: the error that botocore raised
    :raises PollyConfigurationError: the endpoint's certificate cannot be verified
    """
    # Python's name for this reason. With and without a proxy, botocore wraps it in different errors.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        raise PollyConfigurationError(
            f"Nothing was sent, because the certificate of Polly's endpoint cannot be verified: {error}. If "
            "a proxy or your own endpoint has a certificate from a private authority, set the path of its CA "
            "bundle as verify in the operator, as verify in the connection's extra, or as AWS_CA_BUNDLE in "
            "the worker's environment."
        ) from error


def surely_not_accepted(error: Exception) -> bool:
    """Return whether an error proves that Polly did not accept the request and started nothing."""
    return patience_with(error) > 0


def patience_with(error: Exception) -> float:
    """Return how long to retry a start after an error, in seconds; 0 if Polly may have accepted it."""
    if _is_refused_connection(error):
        return REFUSED_PATIENCE_SECONDS
    if isinstance(error, _NOT_SENT) or _stopped_before_proxy(error):
        return NOT_SENT_PATIENCE_SECONDS
    if isinstance(error, ClientError) and is_throttling(error):
        return THROTTLED_PATIENCE_SECONDS
    return 0.0


def _is_refused_connection(error: BaseException) -> bool:
    """Return whether the endpoint, or the proxy in front of it, refused the connection."""
    if not isinstance(error, EndpointConnectionError | ProxyConnectionError):
        return False
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _stopped_before_proxy(error: Exception) -> bool:
    """Return whether a request failed at the proxy, which was unreachable or refused to open a tunnel.

    urllib3 raises the same class of error if the response was lost on its way through the proxy.
    """
    if not isinstance(error, ProxyConnectionError):
        return False
    cause = getattr(error.kwargs["error"], "original_error", None)
    return isinstance(cause, _PROXY_NOT_REACHED) or str(cause).startswith("Tunnel connection failed")
