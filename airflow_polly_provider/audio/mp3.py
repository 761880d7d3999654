"""An mp3 reader: splits a file into tags and frames, either while reading it or from its first bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_HEADER = 4
_ID3V2_HEADER = 10
_ID3V1_TAG = 128
# ISO/IEC 11172-3 and 13818-3, Layer III: kbit/s and Hz by index, for MPEG-1 and for MPEG-2 and 2.5.
_MPEG1_BIT_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_BIT_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_SAMPLE_RATES = (44100, 48000, 32000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # by the version bits: MPEG-1, MPEG-2, MPEG-2.5
_LAYER_III = 1
_MONO = 3
# The size of the side information after the header. The keys are (whether MPEG-1, number of channels).
_SIDE_INFORMATION = {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}
_CHECKSUM = 2
_VBRI_AT = _HEADER + 32


class FrameHeader(NamedTuple):
    """The header of a Layer III frame.

    :param sample_rate: in Hz. Each rate belongs to one version: MPEG-1, MPEG-2 or MPEG-2.5
    :param bit_rate: in bits per second
    :param channels: 1 or 2
    :param samples: the number of samples of each channel
    :param size: the size of the frame with its header, in bytes
    """

    sample_rate: int
    bit_rate: int
    channels: int
    samples: int
    size: int


class Frame(NamedTuple):
    """A complete frame.

    :param header: its header
    :param data: its bytes, which begin with the header
    """

    header: FrameHeader
    data: bytes


class Summary(NamedTuple):
    """The content of a Xing, Info or VBRI header. The frame with such a header contains no sound.

    :param frames: the number of frames, without this one; None if the header does not state it
    :param size: the size in bytes of all frames, including this one; None if the header does not state it
    """

    frames: int | None
    size: int | None


@lru_cache(maxsize=256)
def parse_header(data: bytes) -> FrameHeader | None:
    """Parse a frame header; return None if the bytes are not a header that determines the frame's size.

    :param data: four bytes
    """
    if len(data) != _HEADER or data[0] != 0xFF or data[1] >> 5 != 7:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate, rate = data[2] >> 4, data[2] >> 2 & 3
    if version not in _RATE_DIVISORS or layer != _LAYER_III or rate == 3 or not 0 < bit_rate < 15:
        return None
    is_mpeg1 = version == 3
    samples = 1152 if is_mpeg1 else 576
    sample_rate = _MPEG1_SAMPLE_RATES[rate] // _RATE_DIVISORS[version]
    bits = 1000 * (_MPEG1_BIT_RATES if is_mpeg1 else _MPEG2_BIT_RATES)[bit_rate]
    is_padded = data[2] >> 1 & 1
    channels = 1 if data[3] >> 6 == _MONO else 2
    return FrameHeader(sample_rate, bits, channels, samples, samples // 8 * bits // sample_rate + is_padded)


def parse_summary(frame: Frame) -> Summary | None:
    """Return the content of a Xing, Info or VBRI header; None for a frame with sound.

    :param frame: the first frame of a file
    """
    header, data = frame
    side_information = _SIDE_INFORMATION[header.samples == 1152, header.channels]
    # In a frame with a checksum, LAME puts the name after the checksum. Other encoders ignore the checksum.
    for at in (_HEADER + side_information, _HEADER + side_information + _CHECKSUM):
        if data[at : at + 4] in (b"Xing", b"Info"):
            flags = _number(data, at + 4)
            frames = _number(data, at + 8) if flags & 1 else None
            return Summary(frames, _number(data, at + 8 + 4 * (flags & 1)) if flags & 2 else None)
    if data[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        return Summary(_number(data, _VBRI_AT + 14), _number(data, _VBRI_AT + 10))
    return None


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def id3v2_size(start: bytes) -> int:
    """Return the size in bytes of the ID3v2 tag that begins here; 0 if no tag begins here.

    :param start: ten bytes
    """
    major, revision, flags = start[3:6]
    sizes = start[6:_ID3V2_HEADER]
    if start[:3] != b"ID3" or major == 0xFF or revision == 0xFF or max(sizes) > 0x7F:
        return 0
    size = sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3]
    has_footer = major >= 4 and flags & 0x10
    return _ID3V2_HEADER + size + (_ID3V2_HEADER if has_footer else 0)


class Mp3Reader:
    """Splits an mp3 file into frames while it is read, and drops tags and frames that contain a summary.

    It accepts any bytes, and never raises an error for invalid data. It keeps less than two frames in memory,
    and the time that it needs is proportional to the number of bytes.

    If neither a frame nor a tag begins where the previous one ends, the reader searches for two consecutive
    frames with the same sample rate. It drops the bytes before these two frames.

    To join files, use a separate reader for each file, and write the data of all frames. Join only files
    that have the same sample rate and number of channels.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._rest_of_tag = 0
        self._is_in_sync = True
        self._may_be_summary = True
        self.summary: Summary | None = None
        """The content of the first Xing, Info or VBRI header so far; None if there is none."""
        self.tag_bytes = 0
        """The number of bytes so far in tags, and in Xing, Info and VBRI headers."""
        self.lost_bytes = 0
        """The number of bytes so far that belong neither to a frame nor to a tag."""

    @property
    def pending_bytes(self) -> int:
        """The number of bytes that the reader holds. At the end of a file, this is an incomplete frame."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """Process the next bytes, and return the frames that they complete.

        :param data: any number of bytes
        """
        self._held += data
        frames: list[Frame] = []
        at = 0
        while at < len(self._held):
            taken = self._take(at, frames)
            if not taken:
                break
            at += taken
        del self._held[:at]
        return frames

    def _take(self, at: int, frames: list[Frame]) -> int:
        """Process the bytes at a position, and return how many were processed; 0 if more bytes are needed."""
        if self._rest_of_tag:
            size = min(self._rest_of_tag, len(self._held) - at)
            self._rest_of_tag -= size
            self.tag_bytes += size
            return size
        if not self._is_in_sync:
            return self._search(at, frames)
        start = bytes(self._held[at : at + _ID3V2_HEADER])
        if len(start) < _HEADER:
            return 0
        header = parse_header(start[:_HEADER])
        if header is not None:
            return self._take_frame(at, header, frames)
        if start.startswith(b"ID3"):
            if len(start) < _ID3V2_HEADER:
                return 0
            self._rest_of_tag = id3v2_size(start)
            self._may_be_summary = True
        elif start.startswith(b"TAG"):
            self._rest_of_tag = _ID3V1_TAG
        self._is_in_sync = bool(self._rest_of_tag)
        return self._take(at, frames)

    def _take_frame(self, at: int, header: FrameHeader, frames: list[Frame]) -> int:
        """Process a frame, and return its size in bytes; 0 if it is not complete yet."""
        data = bytes(self._held[at : at + header.size])
        if len(data) < header.size:
            return 0
        frame = Frame(header, data)
        summary = parse_summary(frame) if self._may_be_summary else None
        self._may_be_summary = False
        if summary is None:
            frames.append(frame)
        else:
            self.tag_bytes += header.size
            self.summary = self.summary or summary
        return header.size

    def _search(self, at: int, frames: list[Frame]) -> int:
        """Drop the bytes before the next two frames, and return their number."""
        is_frame: bool | None = False
        found = self._held.find(0xFF, at)
        while found >= 0 and (is_frame := self._begins_two_frames(found)) is False:
            found = self._held.find(0xFF, found + 1)
        self._is_in_sync = is_frame is True
        lost = (found if found >= 0 else len(self._held)) - at
        self.lost_bytes += lost
        if not lost and self._is_in_sync:
            return self._take(at, frames)
        return lost

    def _begins_two_frames(self, at: int) -> bool | None:
        """Return whether two frames with the same sample rate begin here; None if more bytes are needed."""
        start = bytes(self._held[at : at + _HEADER])
        if len(start) < _HEADER:
            return None
        first = parse_header(start)
        if first is None:
            return False
        at += first.size
        start = bytes(self._held[at : at + _HEADER])
        if len(start) < _HEADER:
            return None
        second = parse_header(start)
        return second is not None and second.sample_rate == first.sample_rate
