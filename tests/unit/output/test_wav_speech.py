from __future__ import annotations

import io
import tempfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.exceptions import PollyIncompleteAnswerError
from airflow_polly_provider.output.speech_stream import SpeechStream
from airflow_polly_provider.output.wav_speech import IN_MEMORY_BYTES, WavSpeech

if TYPE_CHECKING:
    from pathlib import Path

MULAW = WavForm(output_format="mulaw", sample_rate=8000)


class Zeros(io.RawIOBase):
    """A stream of zero bytes, which fails at its end if that is wanted."""

    def __init__(self, size: int, fails: bool = False) -> None:
        self.left = size
        self.fails = fails

    def read(self, size: int | None = -1) -> bytes:
        if not self.left and self.fails:
            raise PollyIncompleteAnswerError("cut off")
        number = self.left if size is None or size < 0 else min(size, self.left)
        self.left -= number
        return bytes(number)


def wav_speech(stream: io.RawIOBase | io.BytesIO) -> WavSpeech:
    answer = {"AudioStream": stream, "ContentType": "audio/mulaw", "RequestCharacters": 5}
    return WavSpeech(SpeechStream(answer, {"OutputFormat": "mulaw"}), MULAW)


@pytest.mark.parametrize("chunk", [1, 7, 1000, -1])
def test_file_is_the_same_for_any_size_of_reads(chunk: int) -> None:
    samples = bytes(range(101))
    with wav_speech(io.BytesIO(samples)) as speech:
        read = b"".join(iter(lambda: speech.read(chunk), b""))
    assert read == MULAW.header(101) + samples + b"\0"
    assert speech.size == len(read)
    assert speech.seconds == pytest.approx(101 / 8000)
    assert (speech.content_type, speech.request_characters) == ("audio/wav", 5)


def test_memory_does_not_depend_on_the_length_of_the_audio() -> None:
    tracemalloc.start()
    try:
        with wav_speech(Zeros(6 * IN_MEMORY_BYTES)) as speech:
            while speech.read(65536):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert speech.size == 58 + 6 * IN_MEMORY_BYTES
    assert peak < 2.5 * IN_MEMORY_BYTES


@pytest.mark.parametrize("size", [100, 2 * IN_MEMORY_BYTES])
def test_stream_that_breaks_off_yields_nothing_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stream = Zeros(size, fails=True)
    with wav_speech(stream) as speech, pytest.raises(PollyIncompleteAnswerError, match="cut off"):
        speech.read(10)
    assert speech.size == 0
    assert stream.closed
    assert list(tmp_path.iterdir()) == []


def test_answer_without_audio_is_an_error() -> None:
    with wav_speech(io.BytesIO()) as speech, pytest.raises(PollyIncompleteAnswerError, match="no audio"):
        speech.read(10)
