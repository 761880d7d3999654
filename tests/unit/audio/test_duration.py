from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]  # it ships no types

from airflow_polly_provider.audio.duration import (
    START_BYTES,
    audio_duration,
    can_measure_object,
    needs_start,
    seconds_of_object,
)
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from scripts.compare_durations import (
    FORMS,
    LARGEST_DIFFERENCE,
    AudioFile,
    generate,
    input_options,
    largest_differences,
)
from tests.unit.audio import mp3_parts as parts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SECONDS = 3.5
SECONDS_OF_SILENCE = 0.105 + 0.340


FORMATS = sorted({output_format for output_format, _ in FORMS})


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


def ogg_page(packet: bytes, granules: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    header = b"OggS" + bytes(2) + granules.to_bytes(8, "little") + bytes(12) + bytes([len(lacing)])
    return header + lacing + packet


def test_length_of_a_vorbis_file_that_states_no_rate_is_a_number_and_no_error() -> None:
    identification = b"\x01vorbis" + bytes(4) + b"\x01" + bytes(4) + bytes(14)
    assert seconds_of(ogg_page(identification, 0) + ogg_page(bytes(300), 96000), "ogg_vorbis", None, 50) == 2


@pytest.mark.parametrize("rate", ["", "abc", "-8000", "8 kHz"])
def test_length_with_an_unusable_sample_rate_is_no_error(rate: str) -> None:
    assert audio_duration("pcm", rate).seconds == 0
    assert seconds_of_object("pcm", "abc", 100, None) is None


def by_soundfile(file: AudioFile) -> float:
    """Return the length of the decoded samples."""
    raw = {"pcm": "PCM_16", "mulaw": "ULAW", "alaw": "ALAW"}.get(file.output_format)
    form = {"format": "RAW", "subtype": raw, "samplerate": file.rate, "channels": 1} if raw else {}
    samples, rate = soundfile.read(file.path, **form)
    return len(samples) / float(rate)


def by_ffmpeg(file: AudioFile) -> float:
    """Return what FFmpeg reports, as ffprobe does, in hundredths of a second."""
    command = [get_ffmpeg_exe(), "-hide_banner", *input_options(file), "-i", str(file.path)]
    # Without an output file, FFmpeg reports on its input, and then fails.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def test_lengths_of_generated_files_are_those_of_the_decoded_samples(tmp_path: Path) -> None:
    found = largest_differences(generate(tmp_path, 204, seed=1, longest=10), by_soundfile)
    assert set(found) == set(FORMS)
    assert sum(count for count, _, _ in found.values()) == 204
    for (output_format, _), (_, streamed, of_object) in found.items():
        # The decoder drops Opus's pre-skip of 6.5 ms, and ffprobe does not.
        tolerance = 0.007 if output_format == "ogg_opus" else 1e-6
        assert streamed <= tolerance
        assert (of_object is None) == output_format.startswith("ogg_")
        assert of_object is None or of_object <= tolerance


def test_lengths_of_generated_files_are_those_that_ffmpeg_reports(tmp_path: Path) -> None:
    found = largest_differences(generate(tmp_path, len(FORMS), seed=2, longest=30), by_ffmpeg)
    assert set(found) == set(FORMS)
    for _, streamed, of_object in found.values():
        assert max(streamed, of_object or 0) <= 0.011 < LARGEST_DIFFERENCE


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("version", ["3", "4"])
@pytest.mark.parametrize("title", ["A title", "A long title " * 500])
def test_length_of_a_file_with_tags_by_ffmpeg_is_what_ffmpeg_reports(
    tmp_path: Path, rate: int, version: str, title: str
) -> None:
    encoded(tmp_path, "mp3", rate)
    path = tmp_path / "tagged.mp3"
    options = ["-c", "copy", "-write_xing", "0", "-id3v2_version", version, "-write_id3v1", "1"]
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / f"mp3-{rate}"), *options]
    subprocess.run([*command, "-metadata", f"title={title}", str(path)], check=True, timeout=60)
    file = path.read_bytes()
    assert (file[:4], file[-128:-125]) == (b"ID3" + bytes([int(version)]), b"TAG")
    expected = by_ffmpeg(AudioFile(path, "mp3", rate))
    assert seconds_of_object("mp3", None, len(file), file[:START_BYTES]) == pytest.approx(expected, abs=0.05)
    assert seconds_of(file, "mp3", None, 1000) == pytest.approx(expected, abs=0.05)


class TestAnObject:
    @pytest.mark.parametrize("output_format", [*FORMATS, "json", "new"])
    def test_can_be_measured_if_its_size_and_its_beginning_suffice(self, output_format: str) -> None:
        start = parts.POLLYS_TAG + parts.frames(24000, 120)
        seconds = seconds_of_object(output_format, None, 1_000_000, start)
        assert (seconds is not None) == can_measure_object(output_format)
        assert can_measure_object(output_format) == (output_format in ("mp3", "pcm", "mulaw", "alaw"))
        without = seconds_of_object(output_format, None, 1_000_000, None)
        assert (without != seconds) == needs_start(output_format)

    @pytest.mark.parametrize(
        ("output_format", "rate", "size", "seconds"),
        [
            ("pcm", None, 64000, 2),
            ("pcm", "16000", 64000, 2),
            ("pcm", "8000", 64000, 4),
            ("mulaw", None, 64000, 8),
            ("alaw", "8000", 64000, 8),
            ("pcm", None, 0, 0),
        ],
    )
    def test_without_headers_has_the_length_of_its_size(
        self, output_format: str, rate: str | None, size: int, seconds: float
    ) -> None:
        assert seconds_of_object(output_format, rate, size, None) == seconds

    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
    @pytest.mark.parametrize("count", [1, 2, 200, 5000])
    def test_in_pollys_form_has_the_length_of_its_frames(self, rate: int, count: int) -> None:
        data = parts.POLLYS_TAG + parts.frames(rate, count)
        seconds = seconds_of_object("mp3", str(rate), len(data), data[:START_BYTES])
        assert seconds == pytest.approx(count * parts.samples_of(rate) / rate, abs=1e-9)

    def test_of_100000_characters_has_the_length_of_its_frames(self) -> None:
        count = 260_000  # 1.9 hours at 22,050 Hz
        size = 45 + 72 * 48000 * count // 22050
        start = parts.POLLYS_TAG + parts.frames(22050, 200)
        seconds = seconds_of_object("mp3", None, size, start[:START_BYTES])
        assert seconds == pytest.approx(count * 576 / 22050, abs=1e-9)

    @pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
    @pytest.mark.parametrize("rate", [8000, 24000, 48000])
    def test_of_another_encoder_has_the_length_in_its_xing_header(
        self, tmp_path: Path, rate: int, mode: str
    ) -> None:
        path = tmp_path / "other.mp3"
        form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": 0.1}
        with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, **form) as file:
            file.write(np.random.default_rng(1).uniform(-0.5, 0.5, rate * 10))
        data = path.read_bytes()
        assert len(data) > START_BYTES
        expected = seconds_of(data, "mp3", None, 1000)
        assert seconds_of_object("mp3", None, len(data), data[:START_BYTES]) == pytest.approx(expected)

    def test_with_a_vbri_header_has_the_length_in_it(self) -> None:
        sound = parts.frames(24000, 100, 64) + parts.frames(24000, 100, 32)
        first = parts.vbri(24000, frames=200, size=len(sound) + 192)
        data = parts.POLLYS_TAG + first + sound
        assert seconds_of_object("mp3", None, len(data), data[:START_BYTES]) == pytest.approx(200 * 0.024)

    @pytest.mark.parametrize("shorter", [0, 50, 7000])
    def test_with_a_long_tag_is_measured_if_the_tag_ends_in_the_start(self, shorter: int) -> None:
        tag = parts.id3v2(bytes(START_BYTES - shorter))
        data = tag + parts.frames(24000, 1000)
        seconds = seconds_of_object("mp3", None, len(data), data[:START_BYTES])
        assert seconds == (pytest.approx(24) if shorter == 7000 else None)

    @pytest.mark.parametrize(
        ("start", "size"),
        [
            pytest.param(b"", 100_000, id="no start"),
            pytest.param(b"", 0, id="no content"),
            pytest.param(parts.POLLYS_TAG, 45, id="only a tag"),
            pytest.param(b'{"time":6,"type":"word"}\n' * 1000, 100_000, id="speech marks"),
            pytest.param(bytes(START_BYTES), 100_000, id="zeros"),
            pytest.param(b"\x00" + parts.frames(24000, 100), 100_000, id="a byte before the first frame"),
            pytest.param(parts.frame(24000) + parts.frame(24000, 64), 100_000, id="bit rates that differ"),
            pytest.param(parts.frame(24000) + parts.frame(22050), 100_000, id="sample rates that differ"),
            pytest.param(parts.frame(24000), 100_000, id="one frame"),
            pytest.param(b"\xff\xf3\x04\xc4" + bytes(9999), 100_000, id="free format"),
            *(
                pytest.param(
                    parts.xing(24000, frames=frames, size=size) + parts.frames(24000, 9), 100_000, id=name
                )
                for name, frames, size in (
                    ("a Xing header without numbers", None, None),
                    ("a Xing header of no frames", 0, None),
                    ("a Xing header of more frames than the size allows", 5000, None),
                    ("a Xing header of a file that was cut", 1000, 200_000),
                    ("a Xing header of the first of two joined files", 300, 50_000),
                )
            ),
        ],
    )
    def test_that_is_not_understood_has_no_length(self, start: bytes, size: int) -> None:
        assert seconds_of_object("mp3", "24000", size, start) is None
