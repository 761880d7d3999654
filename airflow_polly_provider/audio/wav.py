"""Builds a WAV file from Polly's raw samples.

Polly's pcm, mulaw and alaw are samples without a header. A WAV file is a RIFF file that has the same samples
after a header, which names their encoding and rate. Sources of the layout: *Multimedia Programming Interface
and Data Specifications 1.0* by Microsoft and IBM, and Microsoft's *New Multimedia Data Types and Data
Techniques*, which adds the ``fact`` chunk and ``cbSize`` for encodings other than PCM.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_polly_provider.audio.raw import RAW_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

WAV = "wav"
"""The value of ``output_container`` for a WAV file."""

WAV_CONTENT_TYPE = "audio/wav"

_RIFF_LIMIT = 0xFFFFFFFF
"""RIFF stores sizes in 32 bits."""

_CHUNK_HEADER = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


_PCM_TAG = 1
_TAGS = {"pcm": _PCM_TAG, "mulaw": 7, "alaw": 6}
"""The numbers of the encodings in a WAV header (``wFormatTag``)."""

WAV_OUTPUT_FORMATS = tuple(_TAGS)
"""Polly's OutputFormats that a WAV file can contain. All of them are mono."""


@dataclass(frozen=True, kw_only=True)
class WavForm:
    """The encoding and the sample rate of a WAV file; stored when a task defers.

    :param output_format: Polly's OutputFormat, one of :data:`WAV_OUTPUT_FORMATS`
    :param sample_rate: the sample rate in Hz
    """

    output_format: str
    sample_rate: int

    @classmethod
    def of_request(cls, request: Mapping[str, str]) -> WavForm:
        """Return the encoding and the sample rate of the samples that Polly returns for a request.

        :param request: the request, whose OutputFormat is one of :data:`WAV_OUTPUT_FORMATS`
        """
        output_format = request["OutputFormat"]
        rate = RAW_FORMATS[output_format].rate(request.get("SampleRate"))
        return cls(output_format=output_format, sample_rate=rate)

    @property
    def header_bytes(self) -> int:
        """The size of the header: 44 bytes for pcm, otherwise 58."""
        return len(self.header(0))

    def header(self, data_bytes: int) -> bytes:
        """Return the header: all bytes before the samples.

        :param data_bytes: the size of all samples
        :raises ValueError: the samples do not fit into a WAV file
        """
        tag, sample_bytes = _TAGS[self.output_format], RAW_FORMATS[self.output_format].sample_bytes
        rate = self.sample_rate
        fields = _FORMAT.pack(tag, 1, rate, rate * sample_bytes, sample_bytes, 8 * sample_bytes)
        if tag == _PCM_TAG:
            chunks = _chunk(b"fmt ", fields)
        else:
            no_extension = struct.pack("<H", 0)
            samples = struct.pack("<I", min(data_bytes // sample_bytes, _RIFF_LIMIT))
            chunks = _chunk(b"fmt ", fields + no_extension) + _chunk(b"fact", samples)
        size = len(b"WAVE") + len(chunks) + _CHUNK_HEADER.size + data_bytes + len(self.padding(data_bytes))
        if size > _RIFF_LIMIT:
            raise ValueError(
                f"the audio has {data_bytes:,} bytes, but a WAV file holds at most 4 GiB. Split the text"
            )
        data_header = _CHUNK_HEADER.pack(b"data", data_bytes)
        return _CHUNK_HEADER.pack(b"RIFF", size) + b"WAVE" + chunks + data_header

    def padding(self, data_bytes: int) -> bytes:
        """Return the bytes after the samples: a zero byte if the samples have an odd number of bytes.

        :param data_bytes: the size of all samples
        """
        return bytes(data_bytes % 2)


def _chunk(name: bytes, content: bytes) -> bytes:
    return _CHUNK_HEADER.pack(name, len(content)) + content
