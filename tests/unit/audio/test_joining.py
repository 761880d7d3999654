"""Joining of raw formats, and what all joiners have in common."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.audio.joining import JOINABLE_FORMATS, joiner_of
from airflow_polly_provider.audio.pieces import DamagedPieceError, PieceAudio
from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.audio import mp3_parts as parts

if TYPE_CHECKING:
    from airflow_polly_provider.audio.joining import AudioJoiner

RAW = {"pcm": ("PCM_16", 2), "mulaw": ("ULAW", 1), "alaw": ("ALAW", 1)}
each_raw = pytest.mark.parametrize("output_format", RAW)


def joined_piece(joiner: AudioJoiner, data: bytes, chunk: int = 1 << 20) -> tuple[bytes, PieceAudio]:
    joiner.begin_piece("piece 1 of 2")
    joined = b"".join(joiner.feed(data[at : at + chunk]) for at in range(0, len(data), chunk))
    return joined, joiner.end_piece()


def decoded(data: bytes, output_format: str, rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    form = {"format": "RAW", "subtype": RAW[output_format][0], "samplerate": rate, "channels": 1}
    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16", **form)
    found: np.ndarray[tuple[int], np.dtype[np.int16]] = samples
    return found


@each_raw
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), st.integers(1, 70))
def test_raw_pieces_are_joined_unchanged_for_any_chunk_size(
    output_format: str, halves: list[bytes], chunk: int
) -> None:
    pieces = [half * 2 for half in halves]
    joiner = joiner_of(output_format)
    joined = [joined_piece(joiner, piece, chunk) for piece in pieces]
    assert b"".join(data for data, _ in joined) == b"".join(pieces)
    size = RAW[output_format][1]
    assert [audio for _, audio in joined] == [PieceAudio(len(piece), len(piece) // size) for piece in pieces]


@each_raw
@pytest.mark.parametrize("rate", [None, "8000"])
@pytest.mark.parametrize("seconds", [0, 0.5, 0.00012, 1.23456])
def test_raw_silence_decodes_to_zeros_of_the_nearest_length(
    output_format: str, rate: str | None, seconds: float
) -> None:
    joiner = joiner_of(output_format, rate)
    assert joiner.sample_rate == int(rate or ("16000" if output_format == "pcm" else "8000"))
    data, samples = joiner.silence(seconds)
    assert samples == round(seconds * joiner.sample_rate)
    # The code of A-law that is nearest to silence stands for 8 of 32,768.
    found = decoded(data, output_format, joiner.sample_rate)
    assert len(found) == samples
    assert not samples or np.abs(found).max() <= (8 if output_format == "alaw" else 0)


@pytest.mark.parametrize("output_format", JOINABLE_FORMATS)
@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_silence_of_an_impossible_length_is_an_error(output_format: str, seconds: float) -> None:
    joiner = joiner_of(output_format, "8000")
    joined_piece(joiner, parts.frames(8000, 2))
    with pytest.raises(ValueError, match=f"must be at least 0 seconds, but it is {seconds}"):
        joiner.silence(seconds)


@pytest.mark.parametrize("size", [1, 1001])
def test_pcm_with_half_a_sample_is_damaged(size: int) -> None:
    with pytest.raises(DamagedPieceError, match=f"piece 1 of 2 is damaged: it has {size:,} bytes, but each"):
        joined_piece(joiner_of("pcm"), bytes(size), 100)


@pytest.mark.parametrize("output_format", JOINABLE_FORMATS)
def test_a_piece_without_audio_is_damaged(output_format: str) -> None:
    with pytest.raises(DamagedPieceError, match="it contains no audio"):
        joined_piece(joiner_of(output_format), b"")


@pytest.mark.parametrize(
    ("output_format", "reason"),
    [
        ("ogg_vorbis", "browsers play only the first piece of a joined Ogg file. Use mp3, or pcm"),
        ("ogg_opus", "browsers play only the first piece of a joined Ogg file. Use mp3, or pcm"),
        ("json", "speech marks are not audio"),
        ("flac", "output format flac cannot be joined"),
    ],
)
def test_other_formats_are_refused_with_the_reason(output_format: str, reason: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match=reason):
        joiner_of(output_format)


@pytest.mark.parametrize("rate", ["", "0", "8 kHz", "-8000"])
def test_a_sample_rate_that_is_no_number_is_refused(rate: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match="sample_rate must be a number in Hz"):
        joiner_of("pcm", rate)


def test_raw_formats_have_no_form_to_store() -> None:
    assert joiner_of("pcm").form is None


def test_pcm_pieces_and_a_pause_form_a_wav_file_with_the_header_in_front() -> None:
    joiner = joiner_of("pcm", "8000")
    tone = (8000 * np.sin(np.arange(4000) / 5)).astype("<i2")
    data = joined_piece(joiner, tone.tobytes())[0] + joiner.silence(0.25).data
    data += joined_piece(joiner, tone.tobytes())[0]
    form = WavForm(output_format="pcm", sample_rate=8000)
    samples, rate = soundfile.read(io.BytesIO(form.header(len(data)) + data), dtype="int16")
    assert rate == 8000
    assert np.array_equal(samples, np.concatenate([tone, np.zeros(2000, "<i2"), tone]))
