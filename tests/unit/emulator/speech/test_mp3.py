"""The emulator's mp3 files have the same format as public files from Polly."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import soundfile
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]  # it ships no types
from mutagen.mp3 import MONO, MP3

from airflow_polly_provider.audio.duration import audio_duration
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from airflow_polly_provider.emulator.speech.synthesis import Cancellation, Synthesizer
from airflow_polly_provider.emulator.speech.worker import speech_available

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TAG = bytes.fromhex("49443304000000000023545353450000000f0000034c61766635382e34352e31303000") + bytes(10)
# For each sample rate: the version bits of a frame header, and the number of samples per frame.
MPEG_1, MPEG_2, MPEG_2_5 = 3, 2, 0
VERSIONS = {
    8000: (MPEG_2_5, 576),
    16000: (MPEG_2, 576),
    22050: (MPEG_2, 576),
    24000: (MPEG_2, 576),
    44100: (MPEG_1, 1152),
    48000: (MPEG_1, 1152),
}
ALL_RATES = pytest.mark.parametrize("rate", VERSIONS)
PITCH = 220


class Frame(NamedTuple):
    version: int
    layer: int
    kilobits_per_second: int
    rate: int
    is_mono: bool
    main_data_begin: int
    data: bytes


def frames_of(audio: bytes) -> list[Frame]:
    """Return the frames; check that they are contiguous up to the last byte (ISO/IEC 11172-3, 2.4.1)."""
    frames = []
    at = 0
    while at < len(audio):
        sync, second, third, fourth = audio[at : at + 4]
        assert (sync, second >> 5) == (0xFF, 7)
        version, layer, has_no_crc = second >> 3 & 3, second >> 1 & 3, second & 1
        assert has_no_crc
        if version == MPEG_1:
            kilobits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[third >> 4]
        else:
            kilobits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[third >> 4]
        rate = (44100, 48000, 32000)[third >> 2 & 3] // {MPEG_1: 1, MPEG_2: 2, MPEG_2_5: 4}[version]
        size = (144 if version == MPEG_1 else 72) * kilobits * 1000 // rate + (third >> 1 & 1)
        side = int.from_bytes(audio[at + 4 : at + 6])
        begin = side >> 7 if version == MPEG_1 else side >> 8
        data = audio[at : at + size]
        assert len(data) == size
        frames.append(Frame(version, layer, kilobits, rate, fourth >> 6 == 3, begin, data))
        at += size
    return frames


def tone(rate: int, seconds: float) -> NDArray[np.int16]:
    moments = np.arange(int(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * PITCH * moments + 0.3)).astype(np.int16)


def encoded(folder: Path, rate: int, seconds: float = 1.5) -> bytes:
    path = folder / "speech.mp3"
    encoder = open_encoder(path, "mp3", rate)
    samples = tone(rate, seconds)
    for start in range(0, len(samples), 5000):
        encoder.write(samples[start : start + 5000])
    encoder.close()
    assert [each.name for each in folder.iterdir()] == [path.name]
    return path.read_bytes()


def decoded(audio: bytes) -> NDArray[Any]:
    samples, _ = soundfile.read(io.BytesIO(audio), dtype="int16")
    return np.asarray(samples)


def decoded_by_ffmpeg(audio: bytes) -> NDArray[Any]:
    command = [get_ffmpeg_exe(), "-v", "error", "-i", "-", "-f", "s16le", "-"]
    return np.frombuffer(
        subprocess.run(command, input=audio, check=True, capture_output=True, timeout=60).stdout, "<i2"
    )


def silence_at_the_ends(samples: NDArray[Any], rate: int, *, loud: int) -> tuple[float, float]:
    """Return the milliseconds at the start and at the end that stay at or below ``loud``."""
    (sounding,) = np.nonzero(np.abs(samples.astype(int)) > loud)
    return float(sounding[0]) * 1000 / rate, float(len(samples) - 1 - sounding[-1]) * 1000 / rate


@ALL_RATES
def test_the_file_begins_with_pollys_tag_directly_followed_by_a_frame(tmp_path: Path, rate: int) -> None:
    audio = encoded(tmp_path, rate)
    assert audio[:45] == TAG
    assert audio[45] == 0xFF


@ALL_RATES
def test_each_frame_has_the_same_bit_rate_and_the_mpeg_version_for_its_sample_rate(
    tmp_path: Path, rate: int
) -> None:
    frames = frames_of(encoded(tmp_path, rate)[45:])
    forms = {(each.version, each.layer, each.kilobits_per_second, each.rate, each.is_mono) for each in frames}
    version, _ = VERSIONS[rate]
    assert forms == {(version, 1, 48, rate, True)}


@ALL_RATES
def test_the_file_has_no_xing_info_or_vbri_frame(tmp_path: Path, rate: int) -> None:
    audio = encoded(tmp_path, rate)
    assert not any(name in audio for name in (b"Xing", b"Info", b"VBRI"))


@ALL_RATES
def test_the_first_frame_uses_no_earlier_bytes_but_later_frames_do(tmp_path: Path, rate: int) -> None:
    frames = frames_of(encoded(tmp_path, rate)[45:])
    assert frames[0].main_data_begin == 0
    assert any(each.main_data_begin for each in frames)


@ALL_RATES
@pytest.mark.parametrize("seconds", [0, 0.01, 1.5, 7.77])
def test_the_number_of_frames_can_be_computed_from_the_file_size(
    tmp_path: Path, rate: int, seconds: float
) -> None:
    audio = encoded(tmp_path, rate, seconds)
    _, samples = VERSIONS[rate]
    assert round((len(audio) - 45) / (samples / 8 * 48000 / rate)) == len(frames_of(audio[45:]))


@ALL_RATES
@pytest.mark.parametrize("seconds", [0, 1.5, 7.77])
def test_each_reader_reports_the_length_of_the_decoded_samples(
    tmp_path: Path, rate: int, seconds: float
) -> None:
    audio = encoded(tmp_path, rate, seconds)
    expected = len(decoded(audio)) / rate
    assert expected == pytest.approx(seconds + 0.105 + 0.340 + 1105 / rate, abs=1200 / rate)
    length = audio_duration("mp3")
    length.feed(audio)
    assert length.seconds == pytest.approx(expected, abs=1e-6)
    # mutagen divides the file size by the bit rate; padding bytes make the result slightly inexact.
    found: Any = MP3(io.BytesIO(audio))  # type: ignore[no-untyped-call]  # it has few types
    assert found.info.length == pytest.approx(expected, abs=0.002)
    assert (found.info.bitrate, found.info.mode, found.info.sample_rate) == (48000, MONO, rate)
    assert found.tags is not None
    assert found.tags.version == (2, 4, 0)
    assert found.tags["TSSE"].text == ["Lavf58.45.100"]


@ALL_RATES
def test_ffprobe_reports_the_length_of_the_decoded_samples(tmp_path: Path, rate: int) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed")
    audio = encoded(tmp_path, rate, 7.77)
    command = [ffprobe, "-v", "error", "-show_entries", "stream=codec_name,bit_rate:format=duration"]
    done = subprocess.run(
        [*command, "-of", "json", tmp_path / "speech.mp3"], check=True, capture_output=True, timeout=60
    )
    found = json.loads(done.stdout)
    assert found["streams"] == [{"codec_name": "mp3", "bit_rate": "48000"}]
    assert float(found["format"]["duration"]) == pytest.approx(len(decoded(audio)) / rate, abs=0.002)


@ALL_RATES
def test_joined_frames_decode_to_the_joined_samples(tmp_path: Path, rate: int) -> None:
    first, second = encoded(tmp_path, rate, 1.3), encoded(tmp_path, rate, 0.9)
    joined = decoded_by_ffmpeg(first + second[45:])
    apart = np.concatenate([decoded_by_ffmpeg(first), decoded_by_ffmpeg(second)])
    assert np.array_equal(joined, apart)
    # libsndfile's rounding depends on the preceding frames.
    assert np.abs(decoded(first + second[45:]).astype(int) - apart).max() <= 2


# Polly's files end with 343 to 366 ms of silence. A frame lasts up to 26 ms, and an abrupt end rings.
@pytest.mark.parametrize("rate", [22050, 24000])
@pytest.mark.parametrize("more_samples", range(0, 576, 64))
def test_a_decoded_tone_has_pollys_silence_at_both_ends(tmp_path: Path, rate: int, more_samples: int) -> None:
    audio = encoded(tmp_path, rate, 1 + more_samples / rate)
    before, after = silence_at_the_ends(decoded(audio), rate, loud=300)
    assert before == pytest.approx(155, abs=5)
    assert 343 - 8 <= after <= 366 + 4


@pytest.mark.parametrize("rate", [22050, 24000])
@pytest.mark.parametrize(
    "speech",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(not speech_available(), reason="the speech extra is not installed")
        ),
    ],
)
def test_a_synthesized_text_has_pollys_silence_at_both_ends(rate: int, speech: bool) -> None:
    request = {"Text": "Hello, world. A test!", "VoiceId": "Joanna", "OutputFormat": "mp3"}
    synthesizer = Synthesizer(speech=speech)
    try:
        audio = synthesizer.synthesize({**request, "SampleRate": str(rate)}, cancellation=Cancellation())
    finally:
        synthesizer.close()
    before, after = silence_at_the_ends(decoded(audio), rate, loud=60)
    assert before == pytest.approx(155, abs=5)
    # Speech fades out: its last sounds are below the threshold ``loud``.
    assert 343 - 8 <= after <= 366 + (20 if speech else 4)
