"""The request of SynthesizeSpeech: other limits and rates than a synthesis task's, the same checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.synthesis_request import SAMPLE_RATES, RequestRules, build_request
from airflow_polly_provider.text.limits import MAX_BILLED_SPEECH_CHARACTERS, MAX_TOTAL_SPEECH_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_RATES_OF_SPEECH_ALONE = ("44100", "48000")

SPEECH_SAMPLE_RATES: Mapping[str, tuple[str, ...]] = {
    **SAMPLE_RATES,
    "mp3": SAMPLE_RATES["mp3"] + _RATES_OF_SPEECH_ALONE,
    "ogg_vorbis": SAMPLE_RATES["ogg_vorbis"] + _RATES_OF_SPEECH_ALONE,
}
"""Sample rates in Hz that SynthesizeSpeech takes, by OutputFormat.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html
"""

SPEECH_RULES = RequestRules(
    shape_name="SynthesizeSpeechInput",
    sample_rates=SPEECH_SAMPLE_RATES,
    max_billed_characters=MAX_BILLED_SPEECH_CHARACTERS,
    max_total_characters=MAX_TOTAL_SPEECH_CHARACTERS,
    speaks_in="SynthesizeSpeech",
    when_too_long=(
        "Use PollyStartSpeechSynthesisTaskOperator, which takes 100,000 billed characters, or split the text "
        "and map the operator over its parts with .expand()."
    ),
)
"""What SynthesizeSpeech takes."""


def build_speech_request(**parameters: Any) -> dict[str, Any]:
    """Return the request for ``parameters``, checked, with what is None left out.

    :param parameters: SynthesizeSpeech's members in AWS's own names (``Text``, ``VoiceId``, …)
    :raises PollyInvalidRequestError: for what Polly would refuse: nothing has been sent then
    """
    return build_request(SPEECH_RULES, **parameters)
