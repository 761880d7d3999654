"""The limits of each Polly operation: text lengths, sample rates, and the shape of its request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.service_model import polly_shape
from airflow_polly_provider.text.limits import (
    MAX_BILLED_CHARACTERS,
    MAX_BILLED_SPEECH_CHARACTERS,
    MAX_TOTAL_CHARACTERS,
    MAX_TOTAL_SPEECH_CHARACTERS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLE_RATES: Mapping[str, tuple[str, ...]] = {
    "mp3": ("8000", "16000", "22050", "24000"),
    "ogg_vorbis": ("8000", "16000", "22050", "24000"),
    "ogg_opus": ("48000",),
    "pcm": ("8000", "16000"),
    "mulaw": ("8000",),
    "alaw": ("8000",),
}
"""Valid sample rates of a synthesis task in Hz, by OutputFormat. AWS documents none for json (speech marks).

Source: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html
"""

SPEECH_MARKS_FORMAT = "json"


@dataclass(frozen=True)
class RequestRules:
    """The limits of one Polly operation.

    :param shape_name: name of the request's shape in botocore's service model
    :param sample_rates: valid sample rates in Hz, by OutputFormat
    :param max_billed_characters: maximum number of billed characters, without SSML tags
    :param max_total_characters: maximum number of characters, including SSML tags
    :param speaks_in: description of the operation, for the error message about a text that is too long
    :param when_too_long: advice in the same error message: what to do if the text is too long
    """

    shape_name: str
    sample_rates: Mapping[str, tuple[str, ...]]
    max_billed_characters: int
    max_total_characters: int
    speaks_in: str
    when_too_long: str

    @property
    def shape(self) -> Any:
        """The shape of the request, from botocore's service model."""
        return polly_shape(self.shape_name)


SYNTHESIS_TASK_RULES = RequestRules(
    shape_name="StartSpeechSynthesisTaskInput",
    sample_rates=SAMPLE_RATES,
    max_billed_characters=MAX_BILLED_CHARACTERS,
    max_total_characters=MAX_TOTAL_CHARACTERS,
    speaks_in="one synthesis task",
    when_too_long="Split the text and map the operator over its parts with .expand().",
)
"""The limits of StartSpeechSynthesisTask."""


_SYNTHESIZE_SPEECH_ONLY_RATES = ("44100", "48000")

SPEECH_SAMPLE_RATES: Mapping[str, tuple[str, ...]] = {
    **SAMPLE_RATES,
    "mp3": SAMPLE_RATES["mp3"] + _SYNTHESIZE_SPEECH_ONLY_RATES,
    "ogg_vorbis": SAMPLE_RATES["ogg_vorbis"] + _SYNTHESIZE_SPEECH_ONLY_RATES,
}
"""Valid sample rates of SynthesizeSpeech in Hz, by OutputFormat.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html
"""

SPEECH_RULES = RequestRules(
    shape_name="SynthesizeSpeechInput",
    sample_rates=SPEECH_SAMPLE_RATES,
    max_billed_characters=MAX_BILLED_SPEECH_CHARACTERS,
    max_total_characters=MAX_TOTAL_SPEECH_CHARACTERS,
    speaks_in="SynthesizeSpeech",
    when_too_long=(
        "Use PollyStartSpeechSynthesisTaskOperator, which accepts 100,000 billed characters, or split the "
        "text and map the operator over its parts with .expand()."
    ),
)
"""The limits of SynthesizeSpeech."""

ESTIMATE_RULES = replace(SYNTHESIS_TASK_RULES, shape_name=SPEECH_RULES.shape_name)
"""The limits of an estimate: those of StartSpeechSynthesisTask, without the bucket that its request needs."""
