"""What the joiners of audio have in common: the sizes of a piece, a pause, and the errors."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple


class PieceAudio(NamedTuple):
    """The size of one piece in the joined file.

    :param size: the number of bytes
    :param samples: the number of samples of each channel: the exact playing time, in samples
    """

    size: int
    samples: int


class Silence(NamedTuple):
    """A pause for the joined file.

    :param data: its bytes
    :param samples: the number of samples of each channel
    """

    data: bytes
    samples: int


class DamagedPieceError(ValueError):
    """A piece is incomplete or contains bytes that are not audio. It has to be synthesized again."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is damaged: {reason}. Delete this piece, so that it is synthesized again")


class MixedPiecesError(ValueError):
    """A piece has another sample rate or other channels than the pieces before it."""

    def __init__(self, name: str, found: str, expected: str) -> None:
        super().__init__(
            f"{name} has {found}, but the joined file has {expected}. Many players stop at such a change. "
            "Set sample_rate, so that Polly uses the same sample rate for all voices. Then every piece is "
            "synthesized, and paid for, again"
        )


def validate_seconds(seconds: float) -> None:
    """Check the length of a pause.

    :raises ValueError: the length is negative or not a finite number
    """
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"a pause must be at least 0 seconds, but it is {seconds}")


def nearest(value: float) -> int:
    """Return the nearest integer; of two, the larger one."""
    return int(value + 0.5)
