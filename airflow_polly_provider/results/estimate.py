"""The estimate of a request: what Polly would bill, and what it would cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from airflow_polly_provider.request.billing import billed_by_count
from airflow_polly_provider.request.pricing import ESTIMATED_COST
from airflow_polly_provider.request.voices import DEFAULT_ENGINE
from airflow_polly_provider.results.cost import cost_words, with_estimated_cost
from airflow_polly_provider.results.delivery import push_own_xcoms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import Context
    from airflow_polly_provider.results.delivery import PushingTask

log = logging.getLogger(__name__)

ESTIMATE_XCOM_KEYS = ("OutputUri", "OutputS3Uri", "RequestCharacters", "SpokenCharacters", ESTIMATED_COST)
"""The fields of a dry run's result that are also pushed to XCom under separate keys."""

_ECHOED = ("LanguageCode", "LexiconNames", "OutputFormat", "SampleRate", "SpeechMarkTypes", "TextType")


class SpeechEstimate(TypedDict):
    """What Polly would bill for a request: the result of ``PollyHook.estimate`` and of a dry run.

    The keys are AWS's own names if AWS has a name for the field. Each value is JSON-safe.
    """

    RequestCharacters: int
    """The characters that Polly would bill, as this package counts them; 0 if ``Unchanged`` is True."""
    SpokenCharacters: int
    """The billed length of the text, even if ``Unchanged`` is True."""
    Engine: str
    """The engine of the request; Polly's default engine if the request has none."""
    VoiceId: str
    OutputFormat: str
    EstimatedCost: NotRequired[float]
    """The cost in your currency; absent if ``price_per_million_characters`` has no price for the engine."""
    DryRun: NotRequired[bool]
    """Always True. Only operators add it, so that a later task can recognize an estimate."""
    Unchanged: NotRequired[bool]
    """Only from an operator with ``skip_if_unchanged``: whether the audio is up to date and costs nothing."""
    OutputUri: NotRequired[str]
    """The location of the audio as an https address; only if the audio is up to date."""
    OutputS3Uri: NotRequired[str]
    """The same location as ``s3://bucket/key``; only if the audio is up to date."""
    LanguageCode: NotRequired[str]
    LexiconNames: NotRequired[list[str]]
    SampleRate: NotRequired[str]
    SpeechMarkTypes: NotRequired[list[str]]
    TextType: NotRequired[str]


def estimate_of(request: Mapping[str, Any], existing: Mapping[str, Any] | None = None) -> SpeechEstimate:
    """Return the estimate of a checked request.

    :param request: the parameters of StartSpeechSynthesisTask or SynthesizeSpeech
    :param existing: the result of audio that already exists and is up to date, with ``OutputUri``,
        ``OutputS3Uri`` and ``SpokenCharacters``; None if there is no such audio
    """
    counted = billed_by_count(request)
    estimate = {
        "Engine": request.get("Engine") or DEFAULT_ENGINE,
        "VoiceId": request["VoiceId"],
        **{name: request[name] for name in _ECHOED if name in request},
        "RequestCharacters": counted,
        "SpokenCharacters": counted,
    }
    if existing is not None:
        same = ("OutputUri", "OutputS3Uri", "SpokenCharacters")
        estimate |= {name: existing[name] for name in same if name in existing}
        estimate |= {"RequestCharacters": 0, "Unchanged": True}
    return cast("SpeechEstimate", with_estimated_cost(estimate))


def deliver_estimate(task: PushingTask, context: Context, estimate: SpeechEstimate) -> None:
    """Log an estimate, and push the fields that have their own XCom keys.

    :param task: the operator
    :param context: the running task's context
    :param estimate: the estimate
    """
    value = cast("Mapping[str, Any]", estimate)
    if value.get("Unchanged"):
        log.info(
            "Dry run: %s is up to date, so Polly would bill nothing%s. The audio has %d characters",
            value.get("OutputS3Uri"),
            cost_words(value),
            value["SpokenCharacters"],
        )
    else:
        log.info(
            "Dry run: Polly would bill %d characters (engine %s, voice %s)%s. Nothing was synthesized",
            value["RequestCharacters"],
            value["Engine"],
            value["VoiceId"],
            cost_words(value),
        )
    push_own_xcoms(task, context, value, ESTIMATE_XCOM_KEYS)
