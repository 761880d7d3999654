"""Joins mp3 files: keeps the frames of all pieces and drops everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_polly_provider.audio.mp3 import Frame, id3v2_size, parse_header, parse_summary
from airflow_polly_provider.audio.mp3_form import Mp3Form
from airflow_polly_provider.audio.pieces import DamagedPieceError, MixedPiecesError, PieceAudio

if TYPE_CHECKING:
    import re

    from airflow_polly_provider.audio.mp3 import FrameHeader
    from airflow_polly_provider.audio.pieces import Silence

_HEADER = 4
_ID3V2_HEADER = 10
_ID3V1_TAG = 128
_APE_NAME = b"APETAGEX"
_APE_HEADER = 32
_APE_IS_HEADER = 1 << 29


class Mp3Joiner:
    """Takes the bytes of mp3 files one after the other, and returns the bytes of the joined file.

    It drops tags (ID3v1, ID3v2, and APE tags that begin with a header) and frames with a Xing, Info or VBRI
    header, which are only right for the separate file. Everything else must be complete Layer III frames that
    have the MPEG version, the sample rate and the channel mode of the first one. It keeps less than one frame
    or one header of a tag in memory besides the chunk.

    A file that was cut at the end of a frame looks complete. Compare the size of what was read with the size
    of the object.

    :param sample_rate: the expected sample rate in Hz; None to accept the first piece's
    :param form: the :attr:`form` of the file, if some of its pieces are already joined
    :raises ValueError: ``form`` is not a stored form
    """

    def __init__(self, *, sample_rate: int | None = None, form: str | None = None) -> None:
        self._form = None if form is None else Mp3Form.of_text(form)
        self._sample_rate = sample_rate
        self._runs: dict[int, tuple[re.Pattern[bytes], int] | None] = {}
        self._name: str | None = None
        self._start_piece()

    def _start_piece(self) -> None:
        self._held = bytearray()
        self._needed = 0
        self._position = 0
        self._rest_of_tag = 0
        self._may_be_summary = True
        self._is_first = True
        self._size = 0
        self._samples = 0

    @property
    def form(self) -> str | None:
        """What all pieces of the file have in common, to store it; None before the first frame."""
        return None if self._form is None else self._form.text

    @property
    def sample_rate(self) -> int | None:
        """The sample rate of the file in Hz; None before the first frame."""
        return None if self._form is None else self._form.parsed.sample_rate

    def begin_piece(self, name: str) -> None:
        """Begin the next piece.

        :param name: the name of the piece in errors, for example "piece 3 of 40"
        """
        self._name = name
        self._start_piece()

    def feed(self, chunk: bytes) -> bytes:
        """Process the next bytes of the piece, and return the bytes to append to the joined file.

        :param chunk: any number of bytes
        :raises DamagedPieceError: the piece contains bytes that are neither a frame nor a tag, or its first
            frame continues a frame that is missing
        :raises MixedPiecesError: a frame differs from the file in its sample rate or channel mode
        """
        self._held += chunk
        if len(self._held) < self._needed:
            return b""
        self._needed = 0
        kept: list[slice] = []
        at = 0
        while at < len(self._held):
            taken, is_sound = self._take(at)
            if not taken:
                break
            if not is_sound:
                pass
            elif kept and kept[-1].stop == at:
                kept[-1] = slice(kept[-1].start, at + taken)
            else:
                kept.append(slice(at, at + taken))
            at += taken
        with memoryview(self._held) as view:
            data = b"".join([view[each] for each in kept])
        del self._held[:at]
        self._position += at
        self._size += len(data)
        return data

    def end_piece(self) -> PieceAudio:
        """Finish the piece, and return its size in the joined file.

        :raises DamagedPieceError: the piece ends within a frame or a tag, or it contains no frame
        """
        if self._rest_of_tag:
            raise self._damaged(f"it ends {self._rest_of_tag:,} bytes before the end of a tag")
        if self._held:
            raise self._damaged(f"its last {len(self._held):,} bytes are not a complete frame")
        if not self._samples:
            raise self._damaged("it contains no audio")
        self._name = None
        return PieceAudio(self._size, self._samples)

    def silence(self, seconds: float) -> Silence:
        """Return silent frames with the bit rate of the file's first frame.

        :param seconds: the length; the result has the nearest number of complete frames
        :raises ValueError: the length is negative or not a finite number, or no piece is joined yet
        """
        if self._form is None:
            raise ValueError("a pause needs the form of the file. Join a piece first, or pass form")
        return self._form.silence(seconds)

    def _damaged(self, reason: str) -> DamagedPieceError:
        return DamagedPieceError(self._name or "a piece", reason)

    def _take(self, at: int) -> tuple[int, bool]:
        """Return how many bytes at a position belong together, and whether to keep them; 0 for more bytes."""
        if self._rest_of_tag:
            size = min(self._rest_of_tag, len(self._held) - at)
            self._rest_of_tag -= size
            return size, False
        if not (self._may_be_summary or self._is_first) and (size := self._take_run(at)):
            return size, True
        start = bytes(self._held[at : at + _APE_HEADER])
        if len(start) < _HEADER:
            return self._wait_for(_HEADER)
        header = parse_header(start[:_HEADER])
        if header is not None:
            return self._take_frame(at, header)
        return self._take_tag(at, start)

    def _take_run(self, at: int) -> int:
        """Return the size of the complete frames at a position that have the file's form and one bit rate."""
        if self._form is None or len(self._held) < at + _HEADER:
            return 0
        third = self._held[at + 2]
        if third not in self._runs:
            self._runs[third] = self._form.runs_of_frames(third)
        if (run := self._runs[third]) is None or (found := run[0].match(self._held, at)) is None:
            return 0
        size = found.end() - at
        self._samples += size // run[1] * self._form.parsed.samples
        return size

    def _take_frame(self, at: int, header: FrameHeader) -> tuple[int, bool]:
        """Check a frame that no pattern matched: the first one, an incomplete one or one of another form."""
        form = Mp3Form.of_frame(bytes(self._held[at : at + _HEADER]))
        if (expected := self._expected_instead_of(form, header)) is not None:
            if self._samples:
                # Polly changes nothing within a piece, so these bytes only look like a header.
                raise self._damaged(f"the frame at byte {self._position + at:,} has {form}, not {expected}")
            raise MixedPiecesError(self._name or "a piece", str(form), expected)
        data = bytes(self._held[at : at + header.size])
        if len(data) < header.size:
            return self._wait_for(header.size)
        if self._may_be_summary:
            self._may_be_summary = False
            if parse_summary(Frame(header, data)) is not None:
                self._is_first = True
                return header.size, False
        if self._is_first and _refers_back(data):
            raise self._damaged(
                f"the frame at byte {self._position + at:,} needs data of an earlier frame, which is missing"
            )
        self._is_first = False
        self._form = self._form or form
        self._samples += header.samples
        return header.size, True

    def _expected_instead_of(self, form: Mp3Form, header: FrameHeader) -> str | None:
        """Return the form that a frame should have; None if it has this form."""
        if self._form is not None:
            return None if self._form.can_join(form) else str(self._form)
        return None if self._sample_rate in (None, header.sample_rate) else f"{self._sample_rate:,} Hz"

    def _take_tag(self, at: int, start: bytes) -> tuple[int, bool]:
        size = 0
        if start.startswith(b"ID3"):
            if len(start) < _ID3V2_HEADER:
                return self._wait_for(_ID3V2_HEADER)
            size = id3v2_size(start[:_ID3V2_HEADER])
            self._may_be_summary = True
        elif start.startswith(b"TAG"):
            size = _ID3V1_TAG
        elif start.startswith(_APE_NAME[:_HEADER]):
            if len(start) < _APE_HEADER:
                return self._wait_for(_APE_HEADER)
            size = _ape_size(start)
        if not size:
            raise self._damaged(f"there is neither a frame nor a tag at byte {self._position + at:,}")
        self._rest_of_tag = size
        return self._take(at)

    def _wait_for(self, size: int) -> tuple[int, bool]:
        self._needed = size
        return 0, False


def _refers_back(frame: bytes) -> bool:
    """Return whether the sound of a frame begins in an earlier frame (main_data_begin is not 0)."""
    has_checksum = not frame[1] & 1
    at = _HEADER + 2 * has_checksum
    is_mpeg1 = frame[1] >> 3 & 3 == 3
    return bool(frame[at] or (is_mpeg1 and frame[at + 1] >> 7))


def _ape_size(header: bytes) -> int:
    """Return the size of the APE tag that begins with this header; 0 if this is not such a header.

    :param header: 32 bytes
    """
    flags = int.from_bytes(header[20:24], "little")
    if not header.startswith(_APE_NAME) or not flags & _APE_IS_HEADER:
        return 0
    return _APE_HEADER + int.from_bytes(header[12:16], "little")
