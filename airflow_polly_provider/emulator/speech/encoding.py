"""Encoders that write a stream of audio samples to a file in one of Polly's formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from airflow_polly_provider.emulator.speech.audio import (
    SILENCE_AFTER_MILLISECONDS,
    SILENCE_BEFORE_MILLISECONDS,
)
from airflow_polly_provider.emulator.speech.mp3 import Mp3Encoder
from airflow_polly_provider.emulator.speech.output_file import OutputFile

if TYPE_CHECKING:
    from pathlib import Path

    Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

# libsndfile's vorbis encoder crashes if one write is too large.
_LARGEST_WRITE = 65536
# libsndfile's names: container, codec.
_SOUNDFILE_FORMATS = {
    "ogg_vorbis": ("OGG", "VORBIS"),
    "ogg_opus": ("OGG", "OPUS"),
    "mulaw": ("RAW", "ULAW"),
    "alaw": ("RAW", "ALAW"),
    "pcm": ("RAW", "PCM_16"),
}


class Encoder(Protocol):
    """An encoder of 16-bit mono samples."""

    def write(self, samples: Samples) -> None:
        """Encode the next samples."""

    def close(self) -> None:
        """Write the remaining data, and close the file."""


class Resampler:
    """Changes the sample rate of a stream, by linear interpolation after a low-pass filter.

    The filter is used only if the target rate is lower than the source rate.

    :param source: the input rate, in samples per second.
    :param target: the output rate, in samples per second.
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

        :param samples: the samples at the source rate.
        :return: the samples at the target rate. Samples that depend on the next chunk are returned with that
            chunk.
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


def open_encoder(path: Path, output_format: str, rate: int) -> Encoder:
    """Return an encoder that writes a file as Polly does, with silence before and after the speech.

    :param path: the file to write.
    :param output_format: Polly's OutputFormat.
    :param rate: the sample rate, in samples per second.
    """
    if output_format == "mp3":
        return SilenceAround(Mp3Encoder(path, rate), rate)
    return SilenceAround(SoundFileEncoder(path, output_format, rate), rate)


class SilenceAround:
    """Extends the silence at both ends of the samples, if it is shorter than in Polly's files.

    :param encoder: the encoder that gets the samples and the silence.
    :param rate: the sample rate, in samples per second.
    """

    def __init__(self, encoder: Encoder, rate: int) -> None:
        self._encoder = encoder
        self._before = rate * SILENCE_BEFORE_MILLISECONDS // 1000
        self._after = rate * SILENCE_AFTER_MILLISECONDS // 1000
        self._has_begun = False
        # The number of silent samples at the end of the stream so far.
        self._silent = 0

    def write(self, samples: Samples) -> None:
        """Encode the next samples."""
        sounding = np.flatnonzero(samples)
        if not len(sounding):
            self._silent += len(samples)
            if self._has_begun:
                self._encoder.write(samples)
            return
        if not self._has_begun:
            # Write the silence at the beginning only now, because its length was not known before.
            first = int(sounding[0])
            self._write_silence(max(self._silent + first, self._before))
            samples = samples[first:]
            sounding -= first
            self._has_begun = True
        self._silent = len(samples) - int(sounding[-1]) - 1
        self._encoder.write(samples)

    def close(self) -> None:
        """Write the silence at the end, and close the encoder."""
        if self._has_begun:
            self._write_silence(self._after - self._silent)
        else:
            self._write_silence(max(self._silent, self._before + self._after))
        self._encoder.close()

    def _write_silence(self, count: int) -> None:
        for start in range(0, count, _LARGEST_WRITE):
            self._encoder.write(np.zeros(min(count - start, _LARGEST_WRITE), dtype=np.int16))


class SoundFileEncoder:
    """An encoder that uses libsndfile, for all of Polly's audio formats except mp3.

    :param path: the file to write.
    :param output_format: Polly's OutputFormat.
    :param rate: the sample rate, in samples per second.
    """

    def __init__(self, path: Path, output_format: str, rate: int) -> None:
        import soundfile

        container, codec = _SOUNDFILE_FORMATS[output_format]
        self._output = OutputFile(path.open("w+b"))
        self._file = soundfile.SoundFile(
            self._output,
            "w",
            samplerate=rate,
            channels=1,
            format=container,
            subtype=codec,
            endian="LITTLE" if output_format == "pcm" else None,
        )

    def write(self, samples: Samples) -> None:
        """Encode the next samples.

        :raises OSError: if a write to the file failed.
        """
        for start in range(0, len(samples), _LARGEST_WRITE):
            self._file.write(samples[start : start + _LARGEST_WRITE])
            self._output.check()

    def close(self) -> None:
        """Write the remaining data, and close the file.

        :raises OSError: if a write to the file failed.
        """
        self._file.close()
        self._output.close()


def _low_pass(source: int, target: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a windowed-sinc filter that removes the frequencies that are too high for the target rate."""
    taps = 2 * int(16 * source / target) + 1
    cutoff = 0.45 * target / source
    at = np.arange(taps) - taps // 2
    kernel = np.sinc(2 * cutoff * at) * np.hamming(taps)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)
