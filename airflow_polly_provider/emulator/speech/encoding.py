"""Audio as a stream of samples in, a file of one of Polly's formats out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

# libsndfile's vorbis encoder crashes on one large write.
_LARGEST_WRITE = 65536
# libsndfile's names: container, codec.
_SOUNDFILE_FORMATS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg_vorbis": ("OGG", "VORBIS"),
    "ogg_opus": ("OGG", "OPUS"),
    "mulaw": ("RAW", "ULAW"),
    "alaw": ("RAW", "ALAW"),
    "pcm": ("RAW", "PCM_16"),
}


class Encoder(Protocol):
    """Takes 16-bit mono samples until it is closed."""

    def write(self, samples: Samples) -> None:
        """Take the next samples."""

    def close(self) -> None:
        """Write what is left."""


class Resampler:
    """Streaming change of sample rate: a low-pass filter where the rate falls, then linear interpolation.

    :param source: samples per second in.
    :param target: samples per second out.
    """

    def __init__(self, source: int, target: int) -> None:
        self._step = source / target
        self._filter = _low_pass(source, target) if target < source else None
        self._history = np.zeros(0 if self._filter is None else len(self._filter) - 1)
        self._carry = np.zeros(0)
        self._carry_start = 0
        self._produced = 0

    def feed(self, samples: Samples) -> Samples:
        """Resample the next chunk.

        :param samples: at the source rate.
        :return: at the target rate; what the chunk's end still needs comes with the next one.
        """
        chunk = samples.astype(np.float64)
        if self._filter is not None:
            chunk = np.concatenate((self._history, chunk))
            self._history = chunk[len(chunk) - len(self._filter) + 1 :]
            chunk = np.convolve(chunk, self._filter, mode="valid")
        self._carry = np.concatenate((self._carry, chunk))
        last = self._carry_start + len(self._carry) - 1
        end = int(last / self._step) + 1 if last >= 0 else 0
        positions = np.arange(self._produced, max(end, self._produced)) * self._step - self._carry_start
        result = (
            np.interp(positions, np.arange(len(self._carry)), self._carry) if len(positions) else positions
        )
        self._produced += len(positions)
        keep_from = max(min(int(self._produced * self._step) - self._carry_start, len(self._carry)), 0)
        self._carry = self._carry[keep_from:]
        self._carry_start += keep_from
        samples_out: Samples = np.clip(np.rint(result), -32768, 32767).astype(np.int16)
        return samples_out


class SoundFileEncoder:
    """An encoder by libsndfile.

    :param path: the file to write.
    :param output_format: Polly's OutputFormat.
    :param rate: samples per second.
    """

    def __init__(self, path: Path, output_format: str, rate: int) -> None:
        import soundfile

        container, codec = _SOUNDFILE_FORMATS[output_format]
        self._file = soundfile.SoundFile(
            str(path),
            "w",
            samplerate=rate,
            channels=1,
            format=container,
            subtype=codec,
            endian="LITTLE" if output_format == "pcm" else None,
        )

    def write(self, samples: Samples) -> None:
        """Take the next samples."""
        for start in range(0, len(samples), _LARGEST_WRITE):
            self._file.write(samples[start : start + _LARGEST_WRITE])

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def _low_pass(source: int, target: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Design a windowed-sinc filter that stops what the target rate cannot hold."""
    taps = 2 * int(16 * source / target) + 1
    cutoff = 0.45 * target / source
    at = np.arange(taps) - taps // 2
    kernel = np.sinc(2 * cutoff * at) * np.hamming(taps)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)
