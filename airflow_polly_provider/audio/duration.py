"""Computes the playing time of audio, from its bytes while they are read or from the size of an object.

The playing time of an mp3 includes the silence that the encoder adds at both ends. Polly's files do not say
how long this silence is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from airflow_polly_provider.audio.mp3 import Mp3Reader
from airflow_polly_provider.audio.raw import RAW_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_polly_provider.audio.mp3 import Frame, Summary

START_BYTES = 16384
"""The number of bytes that ``seconds_of_object`` needs from the beginning of an mp3."""

_MP3 = "mp3"
_OPUS_RATE = 48000  # Ogg files count Opus samples at this rate, whatever the original rate is (RFC 7845)
_SMALLEST_MP3_FRAME = 24  # 8 kbit/s at 24,000 Hz


def can_measure_object(output_format: str) -> bool:
    """Return whether ``seconds_of_object`` can compute a playing time for this format.

    :param output_format: Polly's OutputFormat
    """
    return output_format in RAW_FORMATS or needs_start(output_format)


def needs_start(output_format: str) -> bool:
    """Return whether ``seconds_of_object`` needs the object's first bytes for this format.

    :param output_format: Polly's OutputFormat
    """
    return output_format == _MP3


def seconds_of_object(
    output_format: str, sample_rate: str | None, size: int, start: bytes | None
) -> float | None:
    """Return the playing time of an object from its size and its first bytes; None if these are not enough.

    The result is also None for an Ogg file, which would have to be read completely, and for speech marks.

    :param output_format: Polly's OutputFormat
    :param sample_rate: the requested rate in Hz; None for Polly's default
    :param size: the object's size in bytes
    :param start: the object's first ``START_BYTES`` bytes, or all bytes of a smaller object; only mp3 needs
        them
    """
    if output_format == _MP3:
        return _seconds_of_mp3(size, start or b"")
    bytes_per_second = _bytes_per_second(output_format, sample_rate)
    return size / bytes_per_second if bytes_per_second else None


def _bytes_per_second(output_format: str, sample_rate: str | None) -> int:
    """Return the byte rate of a format without headers; 0 for other formats."""
    if (raw := RAW_FORMATS.get(output_format)) is None:
        return 0
    return raw.rate(sample_rate) * raw.sample_bytes


def _seconds_of_mp3(size: int, start: bytes) -> float | None:
    reader = Mp3Reader()
    frames = reader.feed(start)
    if not frames or reader.lost_bytes:
        return None
    if len(start) >= size:
        return _seconds_of_samples(_count_samples(frames))
    header = frames[0].header
    size_of_frames = size - reader.tag_bytes
    if reader.summary is not None:
        count = _count_of_summary(reader.summary, size_of_frames)
    elif len(frames) < 2 or any(_form(each) != _form(frames[0]) for each in frames):
        return None
    else:
        count = round(size_of_frames * 8 * header.sample_rate / header.bit_rate / header.samples)
    return count * header.samples / header.sample_rate if count else None


def _form(frame: Frame) -> tuple[int, int]:
    return frame.header.sample_rate, frame.header.bit_rate


def _count_of_summary(summary: Summary, size: int) -> int | None:
    """Return the number of frames that a summary states; None if it states none, or a wrong one.

    :param summary: the content of the file's Xing, Info or VBRI header
    :param size: the size in bytes of all frames
    """
    # A file that was cut or joined after its encoding has a wrong summary.
    is_wrong = summary.size is not None and abs(summary.size - size) > size // 8
    if is_wrong or not summary.frames or summary.frames * _SMALLEST_MP3_FRAME > size:
        return None
    return summary.frames


def _count_samples(frames: Iterable[Frame]) -> Counter[int]:
    """Return the number of samples for each sample rate."""
    samples: Counter[int] = Counter()
    for header, _ in frames:
        samples[header.sample_rate] += header.samples
    return samples


def _seconds_of_samples(samples: Counter[int]) -> float:
    return sum(count / rate for rate, count in samples.items())


class AudioDuration(Protocol):
    """Computes the playing time of audio from its bytes. The pieces can have any size."""

    @property
    def seconds(self) -> float:
        """The playing time of the audio so far."""

    def feed(self, data: bytes) -> None:
        """Process the next bytes."""


def audio_duration(output_format: str, sample_rate: str | None = None) -> AudioDuration:
    """Return an AudioDuration for a format. For speech marks and unknown formats, its playing time is 0.

    :param output_format: Polly's OutputFormat
    :param sample_rate: the requested rate in Hz; None for Polly's default
    """
    if output_format == _MP3:
        return _Mp3Duration()
    if output_format.startswith("ogg_"):
        return _OggDuration()
    return _RawDuration(_bytes_per_second(output_format, sample_rate))


class _RawDuration:
    """The playing time of samples without headers."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._size = 0

    @property
    def seconds(self) -> float:
        return self._size / self._bytes_per_second if self._bytes_per_second else 0.0

    def feed(self, data: bytes) -> None:
        self._size += len(data)


class _Mp3Duration:
    def __init__(self) -> None:
        self._reader = Mp3Reader()
        self._samples: Counter[int] = Counter()

    @property
    def seconds(self) -> float:
        return _seconds_of_samples(self._samples)

    def feed(self, data: bytes) -> None:
        self._samples += _count_samples(self._reader.feed(data))


class _OggDuration:
    _page_header = 27
    # The first page contains one segment. The beginning of a Vorbis segment contains the sample rate.
    _first_page = _page_header + 1 + 16

    def __init__(self) -> None:
        self.seconds = 0.0
        self._held = bytearray()
        self._skip = 0
        self._needed = self._first_page
        self._rate = _OPUS_RATE
        self._table = 0

    def feed(self, data: bytes) -> None:
        self._held += data
        while True:
            gone = min(self._skip, len(self._held))
            del self._held[:gone]
            self._skip -= gone
            if self._skip or len(self._held) < self._needed:
                return
            # If no page begins here, try the next byte.
            self._skip = self._unit(bytes(self._held[: self._needed])) or 1

    def _unit(self, header: bytes) -> int:
        """Read a page's header or segment table; return how many bytes to skip, 0 if no page begins here."""
        if self._table:
            # The segment table follows a header. The sum of its values is the size of the page's body.
            size, self._table, self._needed = self._table + sum(header), 0, self._page_header
            return size
        if header[:4] != b"OggS":
            return 0
        if header[28:35] == b"\x01vorbis":
            self._rate = int.from_bytes(header[40:44], "little") or self._rate
        granules = int.from_bytes(header[6:14], "little", signed=True)
        if granules > 0:
            self.seconds = granules / self._rate
        self._table = header[26]
        self._needed = self._table or self._page_header
        return self._page_header
