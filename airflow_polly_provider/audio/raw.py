"""Polly's raw formats: mono samples without a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class RawFormat(NamedTuple):
    """One of Polly's raw formats.

    :param sample_bytes: the size of a sample in bytes
    :param default_rate: the sample rate in Hz that Polly uses if the request has none
    """

    sample_bytes: int
    default_rate: int

    def rate(self, sample_rate: str | None) -> int:
        """Return the sample rate of a request in Hz; 0 if its SampleRate is not a number.

        :param sample_rate: the request's SampleRate; None for Polly's default
        """
        if not sample_rate:
            return self.default_rate
        return int(sample_rate) if sample_rate.isdecimal() else 0


RAW_FORMATS: Mapping[str, RawFormat] = {
    "pcm": RawFormat(sample_bytes=2, default_rate=16000),
    "mulaw": RawFormat(sample_bytes=1, default_rate=8000),
    "alaw": RawFormat(sample_bytes=1, default_rate=8000),
}
"""The raw formats. The keys are Polly's OutputFormats. pcm contains signed 16-bit little-endian integers."""
