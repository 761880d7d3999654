"""What all frames of one mp3 file have in common, and silent frames of this form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Self

from airflow_polly_provider.audio.mp3 import parse_header
from airflow_polly_provider.audio.pieces import Silence, nearest, validate_seconds

if TYPE_CHECKING:
    from airflow_polly_provider.audio.mp3 import FrameHeader

_NO_CHECKSUM = 0x01
_RATE_BITS = 0x0C
_BIT_RATE_BITS = 0xF0
_PADDING, _PRIVATE = 0x02, 0x01
_MODE_BITS = 0xC0
_MODE_EXTENSION_BITS = 0x30
_MODES = ("stereo", "joint stereo", "two channels", "mono")


class Mp3Form(NamedTuple):
    """The form of an mp3 file: the header of its first frame, without the bits that differ between frames.

    The MPEG version, the sample rate and the channel mode are the same in all frames. The bit rate may
    differ.

    :param header: four bytes that :func:`~airflow_polly_provider.audio.mp3.parse_header` accepts
    """

    header: bytes

    @classmethod
    def of_frame(cls, header: bytes) -> Self:
        """Return the form of a frame.

        :param header: the frame's first four bytes, a valid header
        """
        first, second, third, fourth = header
        return cls(
            bytes(
                [
                    first,
                    second | _NO_CHECKSUM,
                    third & (_BIT_RATE_BITS | _RATE_BITS),
                    fourth & ~_MODE_EXTENSION_BITS,
                ]
            )
        )

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Return the form that :attr:`text` has stored.

        :raises ValueError: the text is not a stored form
        """
        try:
            header = bytes.fromhex(text)
        except ValueError:
            header = b""
        if parse_header(header) is None:
            raise ValueError(f"not the form of an mp3 file: {text!r}. Join all pieces again")
        return cls.of_frame(header)

    @property
    def text(self) -> str:
        """The form as eight hexadecimal digits, to store it."""
        return self.header.hex()

    @property
    def parsed(self) -> FrameHeader:
        """The parsed header."""
        found = parse_header(self.header)
        if found is None:
            raise ValueError(f"not the header of an mp3 frame: {self.header.hex()}")
        return found

    def __str__(self) -> str:
        return f"{self.parsed.sample_rate:,} Hz {_MODES[self.header[3] >> 6]}"

    def can_join(self, other: Mp3Form) -> bool:
        """Return whether frames of both forms may be in the same file: only their bit rates may differ."""
        mine, others = self.header, other.header
        is_same_rate = mine[1] == others[1] and (mine[2] ^ others[2]) & _RATE_BITS == 0
        return is_same_rate and (mine[3] ^ others[3]) & _MODE_BITS == 0

    def runs_of_frames(self, third_byte: int) -> tuple[re.Pattern[bytes], int] | None:
        """Return a pattern that matches consecutive frames with one bit rate, and the size of a short frame.

        A frame with a padding byte is one byte longer than a short one. The pattern matches fewer frames than
        a short frame has bytes. Therefore the number of frames in a match is its length divided by this
        size, rounded down. Returns None if no frame of this form has this third byte.

        :param third_byte: the third byte of the first frame
        """
        third = third_byte & (_BIT_RATE_BITS | _RATE_BITS)
        first, second, form_third, fourth = self.header
        header = parse_header(bytes([first, second, third, fourth]))
        if header is None or (third ^ form_third) & _RATE_BITS:
            return None
        rest = header.size - len(self.header)
        mode = fourth & _MODE_BITS
        any_fourth = _range(mode, mode | 0xFF ^ _MODE_BITS)
        # The quantifier ends in + so that the pattern engine keeps no state for each frame.
        pattern = b"(?s:%b%b(?:%b%b.{%d}|%b%b.{%d})){1,%d}+" % (
            re.escape(bytes([first])),
            _any_of(second, second ^ _NO_CHECKSUM),
            _any_of(third, third | _PRIVATE),
            any_fourth,
            rest,
            _any_of(third | _PADDING, third | _PADDING | _PRIVATE),
            any_fourth,
            rest + 1,
            header.size - 1,
        )
        return re.compile(pattern), header.size

    def silence(self, seconds: float) -> Silence:
        """Return silent frames with the bit rate of this form.

        :param seconds: the length; the result has the nearest number of complete frames
        :raises ValueError: the length is negative or not a finite number
        """
        validate_seconds(seconds)
        header = self.parsed
        count = nearest(seconds * header.sample_rate / header.samples)
        # A short frame has the size of its sound, rounded down. As an encoder does, add padding bytes so that
        # the average bit rate is right: players compute the length of the file from it.
        frame = self.header.ljust(header.size, b"\x00")
        first, second, third, fourth = self.header
        padded = bytes([first, second, third | _PADDING, fourth]).ljust(header.size + 1, b"\x00")
        scaled = header.samples // 8 * header.bit_rate
        frames = []
        for index in range(count):
            before, after = (scaled * each // header.sample_rate for each in (index, index + 1))
            frames.append(frame if after - before == header.size else padded)
        return Silence(b"".join(frames), count * header.samples)


def _any_of(*values: int) -> bytes:
    return b"[%b]" % b"".join(re.escape(bytes([value])) for value in values)


def _range(first: int, last: int) -> bytes:
    return b"[%b-%b]" % (re.escape(bytes([first])), re.escape(bytes([last])))
