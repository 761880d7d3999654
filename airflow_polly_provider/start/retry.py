"""A call that is billed, repeated only as long as nothing can have been billed."""

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
"""What :func:`start_until_accepted` raises besides refusals.

:func:`surely_not_accepted` returns whether one of them proves that nothing was started.
"""

# Nothing was sent, so the request may be repeated as it is.
_NOT_SENT = (EndpointConnectionError, ConnectTimeoutError)
_PROXY_NOT_REACHED = (NewConnectionError, ProxyTimeoutError)

THROTTLED_PATIENCE_SECONDS = 60 * 60.0
"""How long a start is repeated that was throttled: hundreds of starts get through in this time."""

NOT_SENT_PATIENCE_SECONDS = 5 * 60.0
"""How long a start is repeated that could not be sent: longer, and the endpoint is likely a wrong one."""

REFUSED_PATIENCE_SECONDS = 60.0
"""How long a start is repeated whose connection is refused: there is a machine, and nothing listens on it."""

LONGEST_BACK_OFF_SECONDS = 60.0
"""The longest pause between two starts, so that a start follows soon after throttling ends."""


def start_until_accepted(
    hook: PollyHook, request: Mapping[str, Any], *, before_each: Callable[[], None] = lambda: None
) -> Mapping[str, Any]:
    """Start a synthesis task, again and again as long as Polly throttles or cannot be reached.

    :param hook: what to ask with
    :param request: StartSpeechSynthesisTask's parameters
    :param before_each: called before each request
    :raises PollyInvalidRequestError: Polly refuses the request
    :raises ClientError: 5xx, or throttled for an hour
    :raises ConnectionError: Polly could not be reached for five minutes, or its endpoint refused connections
        for one
    :raises HTTPClientError: the answer was lost
    """
    call = partial(hook.start_speech_synthesis_task, request)
    return retry_until_accepted(call, hook, "start", before_each=before_each)


def retry_until_accepted(
    call: Callable[[], Answer], hook: PollyHook, what: str, *, before_each: Callable[[], None] = lambda: None
) -> Answer:
    """Make a call again and again as long as Polly throttles it or cannot be reached, which is not billed.

    :param call: makes the call, once
    :param hook: whose credentials are looked up anew, once, where they are refused
    :param what: the call's name for the log
    :param before_each: called before each call
    :raises PollyInvalidRequestError: Polly refuses the request
    :raises PollyConfigurationError: the endpoint's certificate cannot be verified
    :raises ClientError: 5xx, or throttled for an hour
    :raises ConnectionError: Polly could not be reached for five minutes, or its endpoint refused connections
        for one
    :raises HTTPClientError: the answer was lost
    """
    began = same_since = time.monotonic()
    patience, repeats, renewed = 0.0, 0, False
    while True:
        before_each()
        try:
            return call()
        except PollyCredentialsError as error:
            # The hook has looked for the connection for long enough.
            if renewed or isinstance(error, PollyConnectionNotFoundError):
                raise
            hook.renew()
            renewed = True
        except MAY_HAVE_STARTED as error:
            _raise_if_unverified(error)
            now = time.monotonic()
            if (allowed := _patience_with(error)) != patience:
                # A connection that is refused after an hour of throttling has not been refused for an hour.
                patience, same_since = allowed, now
            remaining = min(same_since + patience, began + THROTTLED_PATIENCE_SECONDS) - now
            if remaining <= 0:
                raise
            repeats += 1
            delay = min(full_jitter(repeats, LONGEST_BACK_OFF_SECONDS), remaining)
            log.warning(
                "%s (%s). Retrying the %s in %.1f s, giving up in %.0f s",
                "Polly throttled it" if isinstance(error, ClientError) else "Polly was not reached",
                error,
                what,
                delay,
                remaining,
            )
            time.sleep(delay)


def _raise_if_unverified(error: Exception) -> None:
    """Raise a final error if the request was never sent because the certificate is not trusted.

    :param error: botocore's
    :raises PollyConfigurationError: the endpoint's certificate cannot be verified
    """
    # Python's own name of that reason; botocore wraps it in one error or another, with and without a proxy.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        raise PollyConfigurationError(
            f"Nothing was sent, since the certificate of Polly's endpoint cannot be verified: {error}. If a "
            "proxy or an endpoint of your own has a certificate of a private authority, name its CA bundle: "
            "verify in the operator, verify in the connection's extra, or AWS_CA_BUNDLE in the worker's "
            "environment."
        ) from error


def surely_not_accepted(error: Exception) -> bool:
    """Return whether an error shows that Polly did not take the request: there is nothing to look for."""
    return _patience_with(error) > 0


def _patience_with(error: Exception) -> float:
    """Return for how many seconds a start is repeated after this error: none where it may have worked."""
    if _is_refused_connection(error):
        return REFUSED_PATIENCE_SECONDS
    if isinstance(error, _NOT_SENT) or _stopped_before_proxy(error):
        return NOT_SENT_PATIENCE_SECONDS
    if isinstance(error, ClientError) and is_throttling(error):
        return THROTTLED_PATIENCE_SECONDS
    return 0.0


def _is_refused_connection(error: BaseException) -> bool:
    """Return whether the endpoint, or the proxy before it, refused the connection."""
    if not isinstance(error, EndpointConnectionError | ProxyConnectionError):
        return False
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _stopped_before_proxy(error: Exception) -> bool:
    """Return whether a request went no further than a proxy, which could not be reached or refused a tunnel.

    urllib3 blames the proxy for an answer that was lost on the way through it, too.
    """
    if not isinstance(error, ProxyConnectionError):
        return False
    cause = getattr(error.kwargs["error"], "original_error", None)
    return isinstance(cause, _PROXY_NOT_REACHED) or str(cause).startswith("Tunnel connection failed")
