"""Turns the audio of SynthesizeSpeech into a WAV file."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Self

from airflow_polly_provider.audio.wav import WAV_CONTENT_TYPE
from airflow_polly_provider.output.speech_stream import open_speech

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.speech_stream import Speech

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""Speech of up to this size is kept in memory until it is complete. Longer speech is kept in a file."""

_CHUNK_BYTES = 64 * 1024


def open_speech_as(hook: PollyHook, request: Mapping[str, Any], wav: WavForm | None) -> Speech:
    """Request speech from Polly, and return it as a WAV file or unchanged.

    :param hook: the hook that sends the request
    :param request: the parameters of SynthesizeSpeech
    :param wav: the format of the WAV file; None for unchanged audio
    :raises PollyInvalidRequestError: Polly rejects the request
    :raises PollyIncompleteAnswerError: the response lacks a header that Polly always sends, or is not audio
    """
    speech = open_speech(hook, request)
    return speech if wav is None else WavSpeech(speech, wav)


class WavSpeech:
    """Polly's audio as a WAV file that can be read once.

    The header contains the size of the samples, which Polly does not report. Therefore the first read waits
    until Polly has sent all samples. They are kept in memory or in a temporary file.

    :param speech: Polly's response, which contains raw samples
    :param wav: the format of the file
    """

    def __init__(self, speech: Speech, wav: WavForm) -> None:
        self._speech = speech
        self._wav = wav
        self._open = ExitStack()
        self._file: IO[bytes] | None = None
        self.content_type: str | None = WAV_CONTENT_TYPE
        self.request_characters = speech.request_characters
        self.size = 0

    @property
    def seconds(self) -> float:
        """The playing time of the audio; 0 before the first read."""
        return self._speech.seconds

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes of the file; empty at the end.

        :param size: the maximum number of bytes; all remaining bytes if negative
        :raises PollyIncompleteAnswerError: the response was interrupted, or contains no audio
        """
        if self._file is None:
            self._file = self._open.enter_context(self._complete())
        data = self._file.read(-1 if size is None else size)
        self.size += len(data)
        return data

    def _complete(self) -> IO[bytes]:
        """Return the whole WAV file, after Polly has sent all samples."""
        file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  # the caller closes it
        try:
            file.write(bytes(self._wav.header_bytes))
            shutil.copyfileobj(self._speech, file, _CHUNK_BYTES)
            file.write(self._wav.padding(self._speech.size))
            file.seek(0)
            file.write(self._wav.header(self._speech.size))
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def __enter__(self) -> Self:
        """Return this object. It is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file, close the connection and discard unread data."""
        with self._open, self._speech:
            pass
