"""The playing time of audio, computed from its bytes while they are read."""

from __future__ import annotations

from typing import Protocol

_BYTES_PER_SAMPLE = {"pcm": 2, "mulaw": 1, "alaw": 1}
_DEFAULT_RATES = {"pcm": 16000, "mulaw": 8000, "alaw": 8000}
_OPUS_RATE = 48000  # Ogg files count Opus audio at this rate, for any original sample rate (RFC 7845)


class AudioDuration(Protocol):
    """Computes the playing time of audio that is fed to it in pieces of any size."""

    seconds: float

    def feed(self, data: bytes) -> None:
        """Process the next bytes."""


def audio_duration(output_format: str, sample_rate: str | None = None) -> AudioDuration:
    """Return an AudioDuration for one of Polly's formats. For any other format, its result is 0 seconds.

    :param output_format: Polly's OutputFormat
    :param sample_rate: the requested rate in Hz; None for Polly's default
    """
    if output_format == "mp3":
        return _Mp3Length()
    if output_format.startswith("ogg_"):
        return _OggLength()
    rate = int(sample_rate or _DEFAULT_RATES.get(output_format, 0))
    return _SampleLength(rate * _BYTES_PER_SAMPLE.get(output_format, 0))


class _SampleLength:
    """Samples without headers."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self.seconds = 0.0

    def feed(self, data: bytes) -> None:
        if self._bytes_per_second:
            self.seconds += len(data) / self._bytes_per_second


class _UnitLength:
    """Formats made of units, each with a header that contains the unit's size."""

    needed = 0
    """Size of a header in bytes."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0
        self.seconds = 0.0

    def feed(self, data: bytes) -> None:
        self._held += data
        while True:
            gone = min(self._skip, len(self._held))
            del self._held[:gone]
            self._skip -= gone
            if self._skip or len(self._held) < self.needed:
                return
            # If no unit begins here, try the next byte.
            self._skip = self._unit(bytes(self._held[: self.needed])) or 1

    def _unit(self, header: bytes) -> int:
        """Add a unit's length to ``seconds``, and return its size in bytes; 0 if no unit begins here."""
        raise NotImplementedError


# ISO/IEC 11172-3 and 13818-3, Layer III: kbit/s and Hz by index, for MPEG-1 and for MPEG-2 and 2.5.
_MPEG1_BIT_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_BIT_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_SAMPLE_RATES = (44100, 48000, 32000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # by the version's bits: MPEG-1, MPEG-2, MPEG-2.5


class _Mp3Length(_UnitLength):
    needed = 4

    def _unit(self, header: bytes) -> int:
        version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
        bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
        in_sync = header[0] == 0xFF and header[1] >> 5 == 7
        if not in_sync or version not in _RATE_DIVISORS or layer != 1 or rate == 3 or not 0 < bit_rate < 15:
            return 0
        is_mpeg1 = version == 3
        samples = 1152 if is_mpeg1 else 576
        sample_rate = _MPEG1_SAMPLE_RATES[rate] // _RATE_DIVISORS[version]
        kilobits = (_MPEG1_BIT_RATES if is_mpeg1 else _MPEG2_BIT_RATES)[bit_rate]
        self.seconds += samples / sample_rate
        return samples // 8 * kilobits * 1000 // sample_rate + (header[2] >> 1 & 1)


class _OggLength(_UnitLength):
    _page_header = 27
    # The first page contains one segment, whose beginning contains the rate of a Vorbis stream.
    _first_page = _page_header + 1 + 16

    def __init__(self) -> None:
        super().__init__()
        self._rate = _OPUS_RATE
        self._table = 0
        self.needed = self._first_page

    def _unit(self, header: bytes) -> int:
        if self._table:
            # The segment table follows a header. The sum of its values is the size of the page's body.
            size, self._table, self.needed = self._table + sum(header), 0, self._page_header
            return size
        if header[:4] != b"OggS":
            return 0
        if header[28:35] == b"\x01vorbis":
            self._rate = int.from_bytes(header[40:44], "little")
        granules = int.from_bytes(header[6:14], "little", signed=True)
        if granules > 0:
            self.seconds = granules / self._rate
        self._table = header[26]
        self.needed = self._table or self._page_header
        return self._page_header
