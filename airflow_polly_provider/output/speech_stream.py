"""The audio of SynthesizeSpeech, as a stream from Polly to its destination."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

from botocore.exceptions import BotoCoreError

from airflow_polly_provider.audio.duration import audio_duration
from airflow_polly_provider.exceptions import PollyIncompleteAnswerError
from airflow_polly_provider.request.billing import account_for
from airflow_polly_provider.request.rules import SPEECH_MARKS_FORMAT
from airflow_polly_provider.start.retry import retry_until_accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.hooks.polly import PollyHook

_RETRY_PAYS = "A retry requests the speech again, and pays for it again."
_SPEECH_MARKS_TYPE = "application/x-json-stream"
# AWS documents the content types of mp3, Ogg Vorbis and PCM only.
_UNDOCUMENTED_TYPE = "application/octet-stream"


class Speech(Protocol):
    """Speech as a file that can be read once. The ``with`` block closes it."""

    content_type: str | None
    """The content type of what is read."""
    request_characters: int | None
    """The billed characters that Polly reports."""
    size: int
    """The number of bytes that have been read."""

    @property
    def seconds(self) -> float:
        """The playing time of the audio read so far; the total after all audio has been read."""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; empty at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_speech(hook: PollyHook, request: Mapping[str, Any]) -> SpeechStream:
    """Request speech from Polly, add the billed characters to the metric, and return the audio as a stream.

    :param hook: the hook that sends the request
    :param request: SynthesizeSpeech's parameters
    :raises PollyInvalidRequestError: Polly rejects the request
    :raises PollyIncompleteAnswerError: the response lacks a header that Polly always sends, or is not audio
    """
    answer = retry_until_accepted(partial(hook.synthesize_speech, request), hook, "speech")
    try:
        _check_headers(answer, request)
        account_for(request, answer["RequestCharacters"])
    except BaseException:
        answer["AudioStream"].close()
        raise
    return SpeechStream(answer, request)


def _check_headers(answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Raise an error if a proxy sent the response instead of Polly, or if its headers are incomplete.

    :param answer: the response of SynthesizeSpeech
    :param request: the request of this response
    """
    content_type = str(answer.get("ContentType") or "none").partition(";")[0].strip().lower()
    if request["OutputFormat"] == SPEECH_MARKS_FORMAT:
        expected = content_type == _SPEECH_MARKS_TYPE
    else:
        expected = content_type.startswith("audio/") or content_type == _UNDOCUMENTED_TYPE
    if "RequestCharacters" not in answer or not expected:
        billed = answer.get("RequestCharacters", "missing")
        raise PollyIncompleteAnswerError(
            f"The response is not speech from Polly: its content type is {content_type}, and the number of "
            f"billed characters is {billed}. The response is incomplete, or a proxy sent it. Nothing was "
            f"written. {_RETRY_PAYS}"
        )


class SpeechStream:
    """Polly's response as a file that can be read once. It counts bytes and seconds while it is read.

    :param answer: the response of SynthesizeSpeech
    :param request: the request of this response
    """

    def __init__(self, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        self._stream: Any = answer["AudioStream"]
        # A text may have no speech marks of the requested types.
        self._may_be_empty = request["OutputFormat"] == SPEECH_MARKS_FORMAT
        self._duration = audio_duration(request["OutputFormat"], request.get("SampleRate"))
        self.content_type: str | None = answer.get("ContentType")
        self.request_characters: int | None = answer.get("RequestCharacters")
        self.size = 0

    @property
    def seconds(self) -> float:
        """The playing time of the audio read so far; 0 for speech marks."""
        return self._duration.seconds

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; empty at the end.

        :param size: the maximum number of bytes; all remaining bytes if negative
        :raises PollyIncompleteAnswerError: the response was interrupted, or contains no audio
        """
        try:
            data: bytes = self._stream.read(None if size is None or size < 0 else size)
        except BotoCoreError as error:
            raise PollyIncompleteAnswerError(
                f"Polly's response was interrupted after {self.size:,} bytes ({error}). Partial output is "
                f"removed. {_RETRY_PAYS}"
            ) from error
        self.size += len(data)
        if not self.size and size != 0 and not self._may_be_empty:
            raise PollyIncompleteAnswerError(
                f"Polly's response contains no audio. Nothing was written. {_RETRY_PAYS}"
            )
        self._duration.feed(data)
        return data

    def __enter__(self) -> Self:
        """Return the stream, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection and discard unread data."""
        self._stream.close()
