"""Converts speech marks to captions or a transcript in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_polly_provider.captions.cues import make_cues
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.captions.sentences import read_sentences
from airflow_polly_provider.captions.srt import write_srt
from airflow_polly_provider.captions.transcript import write_transcript
from airflow_polly_provider.captions.webvtt import write_webvtt

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from airflow_polly_provider.captions.marks import BinaryFile
    from airflow_polly_provider.captions.sentences import SpokenSentence

CaptionFormat = Literal["vtt", "srt", "json"]
CAPTION_FORMATS: tuple[CaptionFormat, ...] = ("vtt", "srt", "json")
"""The formats, which are also the usual suffixes of files."""
CAPTION_CONTENT_TYPES: dict[CaptionFormat, str] = {
    "vtt": "text/vtt; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "json": "application/json",
}
"""The content type of each format."""

_DEFAULT_LAYOUT = CueLayout()


def captions_from_marks(
    marks: bytes | str | os.PathLike[str] | BinaryFile | Iterable[bytes],
    format: str,
    *,
    duration_seconds: float | None = None,
    language: str | None = None,
    layout: CueLayout = _DEFAULT_LAYOUT,
    text_type: Literal["text", "ssml"] | None = None,
) -> Iterator[str]:
    """Return an iterator over the text of a file with captions or a transcript.

    The iterator reads the speech marks as it goes, and keeps one sentence in memory. The text uses line
    feeds; write it as UTF-8.

    :param marks: the speech marks as bytes or str, the path of a file, a binary file object, or an iterable
        of bytes. They should have the types ``sentence`` and ``word``.
    :param format: ``vtt`` (WebVTT), ``srt`` (SubRip) or ``json`` (a transcript with the times of words)
    :param duration_seconds: the length of the audio in seconds, if it is known; captions end with it
    :param language: the language as a tag such as ``en-US``, for the header of WebVTT
    :param layout: the limits of a cue; not used for ``json``
    :param text_type: Polly's TextType of the spoken text, see
        :func:`~airflow_polly_provider.captions.sentences.read_sentences`
    :raises ValueError: another format, no language tag, or a line that is not a speech mark, when the
        iterator reaches it
    """
    return captions_from_sentences(
        read_sentences(marks, text_type=text_type),
        format,
        duration_seconds=duration_seconds,
        language=language,
        layout=layout,
    )


def captions_from_sentences(
    sentences: Iterable[SpokenSentence],
    format: str,
    *,
    duration_seconds: float | None = None,
    language: str | None = None,
    layout: CueLayout = _DEFAULT_LAYOUT,
) -> Iterator[str]:
    """Return an iterator over the text of a file with captions or a transcript.

    :param sentences: the sentences in order, from
        :func:`~airflow_polly_provider.captions.sentences.read_sentences`
    :param format: as for :func:`captions_from_marks`, and so are the other parameters
    :param duration_seconds: the length of the audio in seconds, if it is known
    :param language: the language as a tag such as ``en-US``
    :param layout: the limits of a cue
    :raises ValueError: another format, or no language tag
    """
    if format not in CAPTION_FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, CAPTION_FORMATS))}, not {format!r}")
    duration_ms = None if duration_seconds is None else round(duration_seconds * 1000)
    if format == "json":
        return write_transcript(sentences, duration_ms=duration_ms)
    cues = make_cues(sentences, layout=layout, duration_ms=duration_ms)
    return write_srt(cues) if format == "srt" else write_webvtt(cues, language=language)
