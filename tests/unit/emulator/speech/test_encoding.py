from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from airflow_polly_provider.emulator.speech.encoding import Resampler, open_encoder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def tone(hertz: float, rate: int, seconds: float) -> npt.NDArray[np.int16]:
    return (np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * hertz / rate) * 10000).astype(np.int16)


@pytest.mark.parametrize("target", [8000, 16000, 24000, 44100, 48000])
@pytest.mark.parametrize("chunk", [1, 700, 50_000])
def test_resampling_keeps_length_and_pitch_for_any_chunk_size(target: int, chunk: int) -> None:
    seconds = 0.5 if chunk > 1 else 0.1
    samples = tone(440, 22050, seconds)
    resampler = Resampler(22050, target)
    parts = [resampler.feed(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    result = np.concatenate(parts)
    assert len(result) == pytest.approx(seconds * target, rel=0.01)
    spectrum = np.abs(np.fft.rfft(result))
    assert np.argmax(spectrum) * target / len(result) == pytest.approx(440, abs=target / len(result))
    whole = Resampler(22050, target).feed(samples)
    assert np.array_equal(result, whole[: len(result)])


def test_resampling_filters_out_frequencies_above_half_the_target_rate() -> None:
    result = Resampler(22050, 8000).feed(tone(6000, 22050, 0.5))
    assert np.abs(result[200:]).max() < 300


def written(chunks: list[npt.NDArray[np.int16]], folder: Path, rate: int = 16000) -> npt.NDArray[np.int16]:
    """Write the chunks to a pcm file, and return its samples."""
    path = folder / "speech.pcm"
    encoder = open_encoder(path, "pcm", rate)
    for chunk in chunks:
        encoder.write(chunk)
    encoder.close()
    return np.fromfile(path, "<i2")


BEFORE, AFTER = 16 * 105, 16 * 340  # at 16 kHz


def silence(count: int) -> npt.NDArray[np.int16]:
    return np.zeros(count, dtype=np.int16)


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0), (192, 112), (BEFORE, AFTER), (BEFORE + 1, AFTER + 1), (20_000, 30_000)]
)
@pytest.mark.parametrize("chunk", [1000, 100_000])
def test_silence_at_the_ends_is_extended_to_pollys_length_and_never_shortened(
    tmp_path: Path, before: int, after: int, chunk: int
) -> None:
    sound = np.concatenate([np.full(3000, 9), silence(5000), np.full(2000, -9)]).astype(np.int16)
    samples = np.concatenate([silence(before), sound, silence(after)])
    found = written([samples[at : at + chunk] for at in range(0, len(samples), chunk)], tmp_path)
    expected = np.concatenate([silence(max(before, BEFORE)), sound, silence(max(after, AFTER))])
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("count", [0, 500, 100_000])
def test_an_all_silent_file_is_at_least_as_long_as_the_silence_of_both_ends(
    tmp_path: Path, count: int
) -> None:
    assert np.array_equal(written([silence(count)], tmp_path), silence(max(count, BEFORE + AFTER)))
