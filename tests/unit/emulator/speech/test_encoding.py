from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from airflow_polly_provider.emulator.speech.encoding import Resampler

if TYPE_CHECKING:
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
