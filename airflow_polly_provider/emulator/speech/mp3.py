"""mp3 files like Polly's: a short tag, then frames with the same bit rate, and no Info or Xing header."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.speech.output_file import OutputFile

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

# The tag that FFmpeg's muxer writes before the first frame: ID3 version 2.4, with one text frame and 10 bytes
# of padding.
TAG = b"ID3\x04\x00\x00\x00\x00\x00\x23" + b"TSSE\x00\x00\x00\x0f\x00\x00\x03Lavf58.45.100\x00" + bytes(10)
# Measured in public mp3 files from Polly at 22,050 and 24,000 Hz, and assumed for other sample rates.
KILOBITS_PER_SECOND = 48
# The lowest sample rate of each MPEG version, with the version's highest and lowest bit rate in kbit/s.
# libsndfile takes a bit rate as a fraction: 0 for the highest, 1 for the lowest.
_BIT_RATES = {32000: (320, 32), 16000: (160, 8), 8000: (64, 8)}
# LAME's first frame may contain metadata instead of sound. The name of such a frame, Info or Xing, follows
# the frame header and the side information.
_SIZE_OF_HEADER = 4
_SIZES_OF_SIDE_INFORMATION = {True: 17, False: 9}  # of mono: in MPEG-1, and in MPEG-2 and 2.5


class Mp3Encoder:
    """An mp3 encoder that uses libsndfile, and converts its file into Polly's form at the end.

    :param path: the file to write.
    :param rate: the sample rate, in samples per second.
    """

    def __init__(self, path: Path, rate: int) -> None:
        import soundfile

        self._path = path
        # The file has no name, so no file remains when this process is killed.
        raw = tempfile.TemporaryFile(prefix="polly-emulator-")  # noqa: SIM115  # closed by close
        self._raw = OutputFile(raw)
        self._rate = rate
        highest, lowest = next(rates for least, rates in _BIT_RATES.items() if rate >= least)
        self._file = soundfile.SoundFile(
            self._raw,
            "w",
            samplerate=rate,
            channels=1,
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="CONSTANT",
            compression_level=(highest - KILOBITS_PER_SECOND) / (highest - lowest),
        )

    def write(self, samples: Samples) -> None:
        """Encode the next samples.

        :raises OSError: if a write to the file failed.
        """
        self._file.write(samples)
        self._raw.check()

    def close(self) -> None:
        """Finish the encoding, and write the file in Polly's form.

        :raises OSError: if a write failed.
        """
        self._file.close()
        self._raw.check()
        self._raw.seek(0)
        self._raw.seek(self._size_of_info_frame(self._raw.read(64)))
        with self._path.open("wb") as file:
            file.write(TAG)
            shutil.copyfileobj(self._raw, file)
        self._raw.close()

    def _size_of_info_frame(self, start: bytes) -> int:
        """Return the size in bytes of the first frame if it contains metadata instead of sound, else 0.

        LAME writes such a frame only if the metadata fits into a frame.
        """
        is_mpeg1 = bool(start[1] & 0x08)
        name = _SIZE_OF_HEADER + _SIZES_OF_SIDE_INFORMATION[is_mpeg1]
        if start[name : name + 4] not in (b"Info", b"Xing"):
            return 0
        is_padded = start[2] >> 1 & 1
        return (144 if is_mpeg1 else 72) * KILOBITS_PER_SECOND * 1000 // self._rate + is_padded
