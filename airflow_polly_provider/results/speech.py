"""The XCom value of the SynthesizeSpeech operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from airflow_polly_provider.results.cost import with_estimated_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEECH_XCOM_KEYS = (
    "OutputUri",
    "OutputS3Uri",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
    "EstimatedCost",
    "ContentType",
)
"""The fields that are pushed to XCom under separate keys, in addition to ``return_value``, if they exist."""


class SpeechXCom(TypedDict):
    """The ``return_value`` of the SynthesizeSpeech operator. There is no synthesis task, so it has no TaskId.

    It contains the location and the billed characters of the audio, and the request without its text.
    """

    OutputUri: str
    """The location of the output: an https address in S3, or the path of the file."""
    OutputS3Uri: NotRequired[str]
    """``s3://bucket/key``; absent if the output is not in S3."""
    RequestCharacters: int
    """Billed characters."""
    SpokenCharacters: int
    """Equal to ``RequestCharacters``; included because the start operator's result has this field too."""
    DurationSeconds: NotRequired[float]
    """The duration of the audio in seconds, rounded to 3 decimals; absent for speech marks."""
    EstimatedCost: NotRequired[float]
    """The cost of ``RequestCharacters`` in your currency; absent if the engine has no price."""
    ContentType: str
    """The content type, such as ``audio/mpeg``; ``audio/wav`` for a WAV file."""
    OutputFormat: str
    OutputContainer: NotRequired[str]
    """``wav`` if the operator has ``output_container="wav"``; otherwise absent."""
    VoiceId: str
    Engine: NotRequired[str]
    LanguageCode: NotRequired[str]
    LexiconNames: NotRequired[list[str]]
    SampleRate: NotRequired[str]
    SpeechMarkTypes: NotRequired[list[str]]
    TextType: NotRequired[str]


def speech_xcom(
    request: Mapping[str, Any],
    output: Mapping[str, str],
    *,
    request_characters: int | None,
    content_type: str | None,
    seconds: float = 0.0,
    output_container: str | None = None,
) -> SpeechXCom:
    """Return the XCom value: the request without the text, the location and the billed characters.

    :param request: the parameters of SynthesizeSpeech
    :param output: ``OutputUri``, and ``OutputS3Uri`` if the output is in S3
    :param request_characters: the billed characters that Polly reports; None if it did not report them
    :param content_type: the content type that Polly reports; None if it did not report it
    :param seconds: the duration of the audio; 0 if it is unknown
    :param output_container: the container format of the audio; None if there is no container
    """
    requested = {name: given for name, given in request.items() if name != "Text"}
    measured = {
        "RequestCharacters": request_characters,
        "SpokenCharacters": request_characters,
        "DurationSeconds": round(seconds, 3) or None,
        "ContentType": content_type,
        "OutputContainer": output_container,
    }
    reported = {name: field for name, field in measured.items() if field is not None}
    return cast("SpeechXCom", with_estimated_cost({**requested, **output, **reported}))
