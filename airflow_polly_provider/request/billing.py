"""The cost of a request: a limit on the billed characters, and two Airflow metrics.

===================================  =======  ==========================================================
``polly.request_characters``         counter  billed characters of accepted requests, by ``engine`` and
                                              ``voice_id``
``polly.estimated_cost_millionths``  counter  their estimated cost in millionths of the user's currency
                                              unit, with the same tags; only if the engine has a price
===================================  =======  ==========================================================

The cost is a whole number of millionths, because Airflow declares the value of a counter as an integer, and
some statsd receivers cut off the decimal places.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.pricing import estimated_cost_millionths
from airflow_polly_provider.request.voices import DEFAULT_ENGINE
from airflow_polly_provider.text.limits import billed_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

# Since Airflow 3.2, workers and triggerers have different metrics modules, each configured only in its own
# process. The first import is the worker's module.
try:
    from airflow.sdk.observability.stats import Stats
except ImportError:
    try:
        from airflow.observability.stats import Stats  # type: ignore[assignment]  # another module, same class
    except ImportError:
        from airflow.stats import Stats  # before Airflow 3.2

log = logging.getLogger(__name__)

stats: Any = Stats


def validate_max_request_characters(
    max_request_characters: int | None, *, parameter: str = "max_request_characters"
) -> int | None:
    """Return a limit on billed characters if it is valid.

    :param max_request_characters: a whole number above 0, or None for no limit
    :param parameter: name of the operator's parameter, for the error message
    :raises ValueError: the value is neither of these
    """
    given: Any = max_request_characters
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return max_request_characters
    raise ValueError(
        f"{parameter} must be a whole number above 0, or None for no limit, "
        f"not {max_request_characters!r:.100}."
    )


def billed_by_count(request: Mapping[str, Any]) -> int:
    """Count the characters that Polly will bill for a request, before anything is sent.

    :param request: the parameters of StartSpeechSynthesisTask or SynthesizeSpeech
    """
    return billed_characters(request["Text"], ssml=request.get("TextType") == "ssml")


def validate_billed_characters(max_request_characters: int | None, request: Mapping[str, Any]) -> None:
    """Raise an error if a request would be billed for more characters than the limit.

    :param max_request_characters: maximum number of billed characters; None for no limit
    :param request: the parameters of StartSpeechSynthesisTask or SynthesizeSpeech
    :raises PollyInvalidRequestError: the request exceeds the limit; nothing has been sent
    """
    if max_request_characters is None:
        return
    billed = billed_by_count(request)
    if billed > max_request_characters:
        raise PollyInvalidRequestError(
            f"Polly would bill {billed:,} characters, but max_request_characters is "
            f"{max_request_characters:,}. Nothing was sent. Shorten the text or raise the limit, then clear "
            "the task."
        )


def account_for(request: Mapping[str, Any], reported: int | None) -> None:
    """Add the billed characters that Polly reports to the metrics, and warn if this package's count differs.

    :param request: the request that Polly accepted
    :param reported: ``RequestCharacters`` of the response; if None, the function does nothing
    """
    if reported is None:
        return
    tags = {"engine": request.get("Engine") or DEFAULT_ENGINE, "voice_id": request["VoiceId"]}
    stats.incr("polly.request_characters", reported, tags=tags)
    if (millionths := estimated_cost_millionths(reported, tags["engine"])) is not None:
        stats.incr("polly.estimated_cost_millionths", millionths, tags=tags)
    if reported != (counted := billed_by_count(request)):
        log.warning(
            "Polly bills %d characters, but %d were counted before the request. max_request_characters is "
            "compared with that count.",
            reported,
            counted,
        )
