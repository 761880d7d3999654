"""What a request costs: a limit on it, and what Airflow's metrics are told of it.

============================  =======  =============================================================
``polly.request_characters``  counter  billed characters of what was started or spoken, by ``engine``
                                       and ``voice_id``
============================  =======  =============================================================
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.voices import DEFAULT_ENGINE
from airflow_polly_provider.text.limits import billed_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

# From Airflow 3.2 on, the metrics of a worker and of the triggerer are different modules, each set up in its
# own process alone: this is the worker's.
try:
    from airflow.sdk.observability.stats import Stats
except ImportError:
    try:
        from airflow.observability.stats import Stats  # type: ignore[assignment]  # the same, elsewhere
    except ImportError:
        from airflow.stats import Stats  # the same, where it lived before 3.2

log = logging.getLogger(__name__)

stats: Any = Stats


def validate_max_request_characters(max_request_characters: int | None) -> int | None:
    """Return ``max_request_characters`` if it is a limit.

    :param max_request_characters: a whole number above 0, or None for no limit
    :raises ValueError: for anything else
    """
    given: Any = max_request_characters
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return max_request_characters
    raise ValueError(
        "max_request_characters must be a whole number above 0, or None for no limit, "
        f"not {max_request_characters!r:.100}."
    )


def billed_by_count(request: Mapping[str, Any]) -> int:
    """Return how many characters of a request Polly bills, counted before anything is sent.

    :param request: StartSpeechSynthesisTask's or SynthesizeSpeech's parameters
    """
    return billed_characters(request["Text"], ssml=request.get("TextType") == "ssml")


def validate_billed_characters(max_request_characters: int | None, request: Mapping[str, Any]) -> None:
    """Refuse a request that would be billed for more than a limit.

    :param max_request_characters: the limit; None for none
    :param request: StartSpeechSynthesisTask's or SynthesizeSpeech's parameters
    :raises PollyInvalidRequestError: when it is over the limit; nothing has been sent then
    """
    if max_request_characters is None:
        return
    billed = billed_by_count(request)
    if billed > max_request_characters:
        raise PollyInvalidRequestError(
            f"Polly would bill {billed:,} characters, and max_request_characters is "
            f"{max_request_characters:,}: nothing was sent. Shorten the text, or raise the limit if the text "
            "is meant to cost that much, and clear the task."
        )


def account_for(request: Mapping[str, Any], reported: int | None) -> None:
    """Tell Airflow's metrics what Polly bills for a request, and the log where that was counted otherwise.

    :param request: the request that Polly has taken
    :param reported: ``RequestCharacters`` of its answer
    """
    if reported is None:
        return
    tags = {"engine": request.get("Engine") or DEFAULT_ENGINE, "voice_id": request["VoiceId"]}
    stats.incr("polly.request_characters", reported, tags=tags)
    if reported != (counted := billed_by_count(request)):
        log.warning(
            "Polly bills %d characters; %d were counted before the request, and max_request_characters "
            "goes by that count.",
            reported,
            counted,
        )
