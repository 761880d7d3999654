"""The audio of SynthesizeSpeech on its way from Polly to where it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError

from airflow_polly_provider.audio_length import audio_length
from airflow_polly_provider.exceptions import PollyIncompleteAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping


class SpeechStream:
    """Polly's answer as a file that is read once; it counts bytes and seconds as they go by.

    :param answer: SynthesizeSpeech's answer
    :param request: the request that it answers
    """

    def __init__(self, answer: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        self._stream: Any = answer["AudioStream"]
        self._length = audio_length(request["OutputFormat"], request.get("SampleRate"))
        self.content_type: str | None = answer.get("ContentType")
        self.request_characters: int | None = answer.get("RequestCharacters")
        self.size = 0

    @property
    def seconds(self) -> float:
        """How long the audio read so far plays; 0 for speech marks."""
        return self._length.seconds

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end.

        :param size: how many at most; all that is left if negative
        :raises PollyIncompleteAnswerError: the answer broke off
        """
        try:
            data: bytes = self._stream.read(None if size is None or size < 0 else size)
        except BotoCoreError as error:
            raise PollyIncompleteAnswerError(
                f"Polly's answer broke off after {self.size:,} bytes ({error}). What was written of it is "
                "discarded. A retry asks for the speech, and pays for it, again."
            ) from error
        self.size += len(data)
        self._length.feed(data)
        return data

    def __enter__(self) -> Self:
        """Return the stream, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection: what was not read is dropped."""
        self._stream.close()
