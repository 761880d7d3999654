"""Joins pieces of speech exactly, while they are read: the joined file is written in parts.

A joiner takes the bytes of each piece in chunks of any size, and returns the bytes to append to the joined
file. It reports the size and the number of samples of each piece and of each pause. A caller that stores
these numbers and the joiner's ``form`` can use byte ranges of a joined file again, without reading the frames
in them.

::

    joiner = joiner_of("mp3", "24000")
    joiner.begin_piece("piece 1 of 2")
    for chunk in chunks:
        file.write(joiner.feed(chunk))
    size, samples = joiner.end_piece()
    file.write(joiner.silence(0.5).data)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from airflow_polly_provider.audio.mp3_joining import Mp3Joiner
from airflow_polly_provider.audio.pieces import (
    DamagedPieceError,
    PieceAudio,
    Silence,
    nearest,
    validate_seconds,
)
from airflow_polly_provider.audio.raw import RAW_FORMATS
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from airflow_polly_provider.audio.raw import RawFormat

_MP3 = "mp3"
JOINABLE_FORMATS = (_MP3, *RAW_FORMATS)
"""Polly's OutputFormats that can be joined."""

_SILENT_SAMPLES = {"pcm": b"\x00\x00", "mulaw": b"\xff", "alaw": b"\xd5"}


class AudioJoiner(Protocol):
    """Joins pieces of one audio format. Use one joiner for each joined file."""

    @property
    def form(self) -> str | None:
        """What all pieces of the file have in common, to store it; None if the format has no such form."""

    @property
    def sample_rate(self) -> int | None:
        """The sample rate of the file in Hz; None if it is not known before the first piece."""

    def begin_piece(self, name: str) -> None:
        """Begin the next piece.

        :param name: the name of the piece in errors, for example "piece 3 of 40"
        """

    def feed(self, chunk: bytes) -> bytes:
        """Process the next bytes of the piece, and return the bytes to append to the joined file.

        :param chunk: any number of bytes
        :raises DamagedPieceError: the piece contains other bytes than audio and tags
        :raises MixedPiecesError: the piece has another sample rate or other channels than the file
        """

    def end_piece(self) -> PieceAudio:
        """Finish the piece, and return its size in the joined file.

        :raises DamagedPieceError: the piece is incomplete, or it contains no audio
        """

    def silence(self, seconds: float) -> Silence:
        """Return a pause to append to the joined file, between two pieces.

        The result depends only on the length, the format and the ``form``.

        :param seconds: the length. An mp3 pause has the nearest number of complete frames, which have 24 to
            72 ms each
        :raises ValueError: the length is negative or not a finite number; or the format is mp3, and neither
            was ``form`` passed nor a piece joined
        """


def validate_joinable(output_format: str) -> None:
    """Check that pieces in a format can be joined.

    :param output_format: Polly's OutputFormat
    :raises PollyInvalidRequestError: they cannot
    """
    if output_format in JOINABLE_FORMATS:
        return
    reason = ""
    if output_format.startswith("ogg_"):
        reason = ": browsers play only the first piece of a joined Ogg file"
    elif output_format == "json":
        reason = ": speech marks are not audio"
    raise PollyInvalidRequestError(
        f"pieces in the output format {output_format} cannot be joined{reason}. "
        "Use mp3, or pcm for a WAV file (other raw formats: mulaw, alaw)"
    )


def joiner_of(output_format: str, sample_rate: str | None = None, *, form: str | None = None) -> AudioJoiner:
    """Return a joiner for a format.

    :param output_format: Polly's OutputFormat, one of :data:`JOINABLE_FORMATS`
    :param sample_rate: the request's SampleRate in Hz; None for Polly's default. An mp3 piece with another
        rate is an error; with None, the first piece decides
    :param form: the :attr:`~AudioJoiner.form` of the joiner that wrote the parts to use again, if there are
        any
    :raises PollyInvalidRequestError: pieces in this format cannot be joined, or the rate is not a number
    :raises ValueError: ``form`` is not a stored form
    """
    validate_joinable(output_format)
    if sample_rate is not None and not (sample_rate.isdecimal() and int(sample_rate)):
        raise PollyInvalidRequestError(f"sample_rate must be a number in Hz, but it is {sample_rate!r}")
    if output_format == _MP3:
        return Mp3Joiner(sample_rate=None if sample_rate is None else int(sample_rate), form=form)
    raw = RAW_FORMATS[output_format]
    return RawJoiner(raw, raw.rate(sample_rate), _SILENT_SAMPLES[output_format])


class RawJoiner:
    """Joins samples without headers: it counts them, and changes nothing.

    :param raw: the raw format
    :param sample_rate: the sample rate in Hz
    :param silent_sample: the bytes of a silent sample
    """

    def __init__(self, raw: RawFormat, sample_rate: int, silent_sample: bytes) -> None:
        self._raw = raw
        self._sample_rate = sample_rate
        self._silent_sample = silent_sample
        self._name = ""
        self._size = 0

    @property
    def form(self) -> str | None:
        """None: the format and the sample rate determine the form."""
        return None

    @property
    def sample_rate(self) -> int | None:
        """The sample rate in Hz."""
        return self._sample_rate

    def begin_piece(self, name: str) -> None:
        """Begin the next piece.

        :param name: the name of the piece in errors
        """
        self._name = name
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return the chunk.

        :param chunk: any number of bytes
        """
        self._size += len(chunk)
        return chunk

    def end_piece(self) -> PieceAudio:
        """Finish the piece, and return its size.

        :raises DamagedPieceError: the last sample is incomplete, or there is no sample
        """
        if not self._size:
            raise DamagedPieceError(self._name, "it contains no audio")
        samples, rest = divmod(self._size, self._raw.sample_bytes)
        if rest:
            raise DamagedPieceError(
                self._name,
                f"it has {self._size:,} bytes, but each sample has {self._raw.sample_bytes}",
            )
        return PieceAudio(self._size, samples)

    def silence(self, seconds: float) -> Silence:
        """Return silent samples.

        :param seconds: the length; the result has the nearest number of samples
        :raises ValueError: the length is negative or not a finite number
        """
        validate_seconds(seconds)
        samples = nearest(seconds * self._sample_rate)
        return Silence(self._silent_sample * samples, samples)
