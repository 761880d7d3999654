from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.audio.duration import audio_duration
from airflow_polly_provider.emulator.speech.encoding import open_encoder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SECONDS = 3.5
SECONDS_OF_SILENCE = 0.105 + 0.340


def tone(rate: int) -> npt.NDArray[np.int16]:
    moments = np.arange(int(SECONDS * rate)) / rate
    return (8000 * np.sin(2 * np.pi * 220 * moments)).astype(np.int16)


def encoded(folder: Path, output_format: str, rate: int) -> bytes:
    path = folder / f"{output_format}-{rate}"
    encoder = open_encoder(path, output_format, rate)
    encoder.write(tone(rate))
    encoder.close()
    return path.read_bytes()


def seconds_of(data: bytes, output_format: str, rate: int | None, size: int) -> float:
    length = audio_duration(output_format, None if rate is None else str(rate))
    for start in range(0, len(data), size):
        length.feed(data[start : start + size])
    return length.seconds


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("output_format", "rate"),
    [
        *(("mp3", rate) for rate in (8000, 16000, 22050, 24000, 44100, 48000)),
        *(("ogg_vorbis", rate) for rate in (8000, 22050, 48000)),
        ("ogg_opus", 48000),
        ("pcm", 8000),
        ("pcm", 16000),
        ("mulaw", 8000),
        ("alaw", 8000),
    ],
)
def test_length_is_that_of_the_encoded_audio_for_any_chunk_size(
    tmp_path: Path, output_format: str, rate: int, size: int
) -> None:
    # An mp3 encoder adds a delay and pads the last frame.
    data = encoded(tmp_path, output_format, rate)
    expected = SECONDS + SECONDS_OF_SILENCE
    assert seconds_of(data, output_format, rate, size) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_length_of_mp3_from_another_encoder_is_right(tmp_path: Path, rate: int, mode: str) -> None:
    path = tmp_path / "other.mp3"
    form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": 0.5}
    with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, **form) as file:
        file.write(tone(rate))
    # The first frame contains the length and no sound.
    assert seconds_of(path.read_bytes(), "mp3", rate, 1000) == pytest.approx(SECONDS, abs=0.3)


@pytest.mark.parametrize(("output_format", "rate"), [("pcm", 16000), ("mulaw", 8000), ("alaw", 8000)])
def test_length_without_a_sample_rate_uses_pollys_default(
    tmp_path: Path, output_format: str, rate: int
) -> None:
    data = encoded(tmp_path, output_format, rate)
    expected = SECONDS + SECONDS_OF_SILENCE
    assert seconds_of(data, output_format, None, 4096) == pytest.approx(expected, abs=0.01)


@given(st.binary(max_size=500), st.sampled_from(["mp3", "ogg_vorbis", "ogg_opus", "json", "new"]))
def test_length_of_random_bytes_is_a_number_and_no_error(data: bytes, output_format: str) -> None:
    assert seconds_of(data, output_format, None, 7) >= 0


@given(st.binary(max_size=300))
def test_length_of_mp3_is_right_with_junk_before_the_first_frame(junk: bytes) -> None:
    frame = b"\xff\xf3\x40\xc4" + bytes(100)  # MPEG-2, Layer III, 32 kbit/s, 22,050 Hz
    frames = frame * 400
    found = seconds_of(junk + frames, "mp3", None, 50)
    assert found == pytest.approx(400 * 576 / 22050, rel=0.2)


def test_length_of_speech_marks_is_0() -> None:
    assert seconds_of(b'{"time":6,"type":"word"}\n', "json", None, 10) == 0
