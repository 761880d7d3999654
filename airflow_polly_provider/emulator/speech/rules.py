"""Rules that Polly applies to synthesis requests, but that its service model does not contain."""

from __future__ import annotations

from typing import Any

from airflow_polly_provider.emulator.base.bucket_names import is_bucket_name
from airflow_polly_provider.emulator.base.errors import ApiError, invalid
from airflow_polly_provider.emulator.base.voices import check_voice
from airflow_polly_provider.emulator.speech.audio import MARKS
from airflow_polly_provider.emulator.text.ssml import Ssml

# https://docs.aws.amazon.com/polly/latest/dg/limits.html and the SampleRate entry of the API reference.
TASK_LIMITS = (100_000, 200_000)
SPEECH_LIMITS = (3_000, 6_000)
SAMPLE_RATES = {
    "mp3": ("8000", "16000", "22050", "24000"),
    "ogg_vorbis": ("8000", "16000", "22050", "24000"),
    "ogg_opus": ("48000",),
    "pcm": ("8000", "16000"),
    "mulaw": ("8000",),
    "alaw": ("8000",),
}
MORE_RATES_FOR_SPEECH = {"mp3": ("44100", "48000"), "ogg_vorbis": ("44100", "48000")}
# SynthesizeSpeech cuts audio at this length: https://docs.aws.amazon.com/polly/latest/dg/limits.html
LONGEST_SPEECH_SECONDS = 600


def check_output(request: dict[str, Any]) -> None:
    """Check the bucket name and the key prefix of a synthesis task against S3's rules, without calling S3.

    :param request: members of the StartSpeechSynthesisTask request, validated against the service model.
    :raises ApiError: if Polly would reject the request.
    """
    if not is_bucket_name(request["OutputS3BucketName"]):
        raise ApiError("InvalidS3BucketException", "The output bucket's name is not valid for S3")
    # ".." is valid as long as it does not lead above the bucket:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    depth = 0
    for part in request.get("OutputS3KeyPrefix", "").split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            raise ApiError("InvalidS3KeyException", "The output key prefix contains a relative path")


def check_synthesis(request: dict[str, Any], *, limits: tuple[int, int], task: bool) -> int:
    """Check a synthesis request against Polly's rules, and return the number of billed characters.

    :param request: members of the API request, validated against the service model.
    :param limits: the maximum billed characters and the maximum total characters.
    :param task: whether the request starts a synthesis task; False for SynthesizeSpeech.
    :raises ApiError: if Polly would reject the request.
    """
    output_format = request["OutputFormat"]
    marks = request.get("SpeechMarkTypes") or []
    is_ssml = request.get("TextType") == "ssml"
    if marks and output_format != MARKS:
        raise ApiError(
            "MarksNotSupportedForFormatException",
            f"Speech marks require OutputFormat json, not {output_format}",
        )
    if "ssml" in marks and not is_ssml:
        raise ApiError(
            "SsmlMarksNotSupportedForTextTypeException",
            "SSML speech marks require an SSML text (TextType ssml)",
        )
    if output_format == MARKS and not marks:
        raise invalid("OutputFormat json requires SpeechMarkTypes")
    _check_rate(request, task=task)
    check_voice(request)
    # https://docs.aws.amazon.com/polly/latest/dg/speechmarks.html lists the engines with speech marks.
    if output_format == MARKS and request.get("Engine") == "generative":
        raise invalid("The generative engine does not support speech marks")
    return _check_text(request, is_ssml=is_ssml, limits=limits)


def sample_rate(request: dict[str, Any]) -> int:
    """Return the sample rate of a request's audio, in samples per second.

    :param request: members of the API request, accepted by :func:`check_synthesis`.
    """
    given = request.get("SampleRate")
    if given:
        return int(given)
    default = "22050" if request.get("Engine", "standard") == "standard" else "24000"
    rates = SAMPLE_RATES.get(request["OutputFormat"], (default,))
    return int(default if default in rates else rates[-1])


def _check_rate(request: dict[str, Any], *, task: bool) -> None:
    given, output_format = request.get("SampleRate"), request["OutputFormat"]
    if given is None:
        return
    # AWS documents no sample rates for speech marks, but AWS's client library sends SampleRate in requests
    # for them. So every rate that is valid for audio is accepted.
    allowed = SAMPLE_RATES.get(output_format, ("8000", "16000", "22050", "24000", "44100", "48000"))
    if not task:
        allowed += MORE_RATES_FOR_SPEECH.get(output_format, ())
    if given not in allowed:
        raise ApiError(
            "InvalidSampleRateException",
            f"The sample rate {given[:20]} is not valid for {output_format}: {', '.join(allowed)}",
        )


def _check_text(request: dict[str, Any], *, is_ssml: bool, limits: tuple[int, int]) -> int:
    billed_limit, total_limit = limits
    text = request["Text"]
    # AWS does not document which white space around and between the tags counts. So use the lowest count that
    # XML allows.
    total = len(text.replace("\r\n", "\n").strip()) if is_ssml else len(text)
    if total > total_limit:
        raise _too_long(f"The text has {total} characters; at most {total_limit} are allowed")
    billed = (
        len(Ssml(text, engine=request.get("Engine", "standard"), voice_id=request["VoiceId"]).words)
        if is_ssml
        else len(text)
    )
    if billed > billed_limit:
        raise _too_long(f"The text has {billed} billed characters; at most {billed_limit} are allowed")
    if not text.strip():
        raise invalid("The text is empty")
    return billed


def _too_long(detail: str) -> ApiError:
    return ApiError("TextLengthExceededException", "Maximum text length has been exceeded", detail=detail)
