"""What the operator that speaks at once hands to later tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEECH_XCOM_KEYS = ("OutputUri", "OutputS3Uri", "RequestCharacters", "SpokenCharacters", "ContentType")
"""The fields that are pushed to XCom under a key of their own, besides ``return_value``."""


class SpeechXCom(TypedDict):
    """What the operator that speaks at once pushes as ``return_value``: no synthesis task, so no TaskId.

    Besides where the audio lies and what it cost, what was asked for, but for the text.
    """

    OutputUri: str
    """Where the output lies: an https address in S3, else the path of the file."""
    OutputS3Uri: NotRequired[str]
    """``s3://bucket/key``; absent where the output is not in S3."""
    RequestCharacters: int
    """Billed characters."""
    SpokenCharacters: int
    """Equal to ``RequestCharacters``; the start operator uses this name too."""
    ContentType: str
    """Such as ``audio/mpeg``."""
    OutputFormat: str
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
) -> SpeechXCom:
    """Return what is known of a speech but its text.

    :param request: SynthesizeSpeech's parameters
    :param output: ``OutputUri``, and ``OutputS3Uri`` where it is in S3
    :param request_characters: as Polly reports them; None where it did not
    :param content_type: the same
    """
    asked_for = {name: given for name, given in request.items() if name != "Text"}
    measured = {
        "RequestCharacters": request_characters,
        "SpokenCharacters": request_characters,
        "ContentType": content_type,
    }
    reported = {name: field for name, field in measured.items() if field is not None}
    return cast("SpeechXCom", {**asked_for, **output, **reported})
