"""Checks of the parameters of a document and of the planned document."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from airflow_polly_provider.assembly.manifest import CaptionsRecord
from airflow_polly_provider.assembly.report import piece_names
from airflow_polly_provider.audio.raw import RAW_FORMATS
from airflow_polly_provider.audio.wav import WAV
from airflow_polly_provider.batch.checks import validate_voices
from airflow_polly_provider.captions.convert import CAPTION_FORMATS
from airflow_polly_provider.captions.layout import CueLayout
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.literals import Reuse
from airflow_polly_provider.text.limits import MAX_BILLED_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.captions.convert import CaptionFormat
    from airflow_polly_provider.hooks.polly import PollyHook

MIN_PIECE_CHARACTERS = 100
"""The smallest value of ``max_piece_characters``."""

MAX_PAUSE_SECONDS = 60.0
"""The longest silence between two parts of a document."""

_WITHOUT_SPEECH_MARKS = "generative"
_MAX_WAV_BYTES = (1 << 32) - 1
_SLOW_CHARACTERS_PER_SECOND = 12
"""A low estimate for European languages, so that this check fails rather than the finished file."""


def validate_pause(seconds: float, parameter: str) -> float:
    """Return the length of a pause after checking it.

    :param seconds: the operator's parameter
    :param parameter: its name
    :raises ValueError: the value is not a number from 0 to :data:`MAX_PAUSE_SECONDS`
    """
    given: Any = seconds
    is_number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if not is_number or not 0 <= given <= MAX_PAUSE_SECONDS:
        raise ValueError(f"{parameter} must be a number from 0 to {MAX_PAUSE_SECONDS:g}, not {given!r:.100}.")
    return float(given)


def validate_piece_size(max_piece_characters: int) -> int:
    """Return ``max_piece_characters`` after checking it.

    :param max_piece_characters: the operator's parameter
    :raises ValueError: the value is not an integer from 100 to 100,000
    """
    given: Any = max_piece_characters
    is_integer = isinstance(given, int) and not isinstance(given, bool)
    if not is_integer or not MIN_PIECE_CHARACTERS <= given <= MAX_BILLED_CHARACTERS:
        raise ValueError(
            f"max_piece_characters must be an integer from {MIN_PIECE_CHARACTERS} to "
            f"{MAX_BILLED_CHARACTERS:,}, not {given!r:.100}."
        )
    return int(given)


def validate_document_size(max_document_characters: int) -> int:
    """Return ``max_document_characters`` after checking it.

    :param max_document_characters: the operator's parameter
    :raises ValueError: the value is not a positive integer
    """
    given: Any = max_document_characters
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError(f"max_document_characters must be a positive integer, not {given!r:.100}.")
    return int(given)


def validate_reuse(reuse: Reuse) -> Reuse:
    """Return ``reuse`` after checking it.

    :param reuse: the operator's parameter
    :raises ValueError: the value is unknown
    """
    if reuse not in get_args(Reuse):
        raise ValueError(f"reuse must be 'unchanged' or 'never', not {reuse!r:.100}.")
    return reuse


def captions_record(
    formats: Sequence[CaptionFormat] | None, layout: CueLayout | None
) -> CaptionsRecord | None:
    """Return the captions of a document after checking the operator's parameters; None for no captions.

    :param formats: the operator's ``captions``
    :param layout: the operator's ``caption_layout``
    :raises ValueError: a format is unknown or given twice, or there is a layout without captions
    :raises TypeError: the layout has another type
    """
    given: Any = formats
    if given is None:
        if layout is not None:
            raise ValueError("caption_layout needs captions, for example captions=('vtt',).")
        return None
    is_list = isinstance(given, list | tuple) and bool(given)
    if not is_list or any(name not in CAPTION_FORMATS for name in given) or len({*given}) != len(given):
        raise ValueError(
            f"captions must be a list of different formats ({', '.join(CAPTION_FORMATS)}) or None, not "
            f"{given!r:.100}."
        )
    layout = CueLayout() if layout is None else layout
    if not isinstance(layout, CueLayout):
        raise TypeError(f"caption_layout must be a CueLayout, not {type(layout).__name__}.")
    return CaptionsRecord(
        formats=tuple(name for name in CAPTION_FORMATS if name in given),
        max_lines=layout.max_lines,
        max_line_characters=layout.max_line_characters,
        max_seconds=layout.max_seconds,
        pause_seconds=layout.pause_seconds,
    )


def validate_engine_of_captions(captions: CaptionsRecord | None, engine: str | None) -> None:
    """Raise an error if the voices of an engine have no speech marks, which captions are made from.

    :param captions: the captions of the document; None for none
    :param engine: the request's ``Engine``
    :raises PollyInvalidRequestError: there would be no captions
    """
    if captions is not None and engine == _WITHOUT_SPEECH_MARKS:
        raise PollyInvalidRequestError(
            f"captions need speech marks, but the voices of engine {engine!r} have none. Nothing was sent to "
            "Polly. Choose another engine, or remove captions."
        )


def validate_characters_to_bill(max_request_characters: int | None, manifest: DocumentManifest) -> None:
    """Raise an error if Polly would bill more characters for a document than the limit.

    :param max_request_characters: the operator's parameter; None for no limit
    :param manifest: the planned document
    :raises PollyInvalidRequestError: the document exceeds the limit
    """
    if max_request_characters is None:
        return
    billed = manifest.characters_to_bill()
    if billed > max_request_characters:
        marks = len(manifest.marks_to_synthesize())
        also = f" and the speech marks of {marks:,} pieces" if marks else ""
        raise PollyInvalidRequestError(
            f"Polly would bill {billed:,} characters for {len(manifest.to_synthesize()):,} pieces{also}, but "
            f"max_request_characters is {max_request_characters:,}. This try started nothing. Shorten the "
            "document or raise the limit, then clear the task."
        )


def validate_wav_size(manifest: DocumentManifest) -> None:
    """Raise an error if a document is probably too long for a WAV file, before it is paid for.

    :param manifest: the planned document
    :raises PollyInvalidRequestError: slow speech would not fit into a WAV file
    """
    if manifest.container != WAV:
        return
    raw = RAW_FORMATS[manifest.output_format]
    rate = manifest.sample_rate or raw.default_rate
    characters = sum(piece.characters for piece in manifest.pieces)
    seconds = characters / _SLOW_CHARACTERS_PER_SECOND + sum(piece.pause_seconds for piece in manifest.pieces)
    if seconds * rate * raw.sample_bytes > _MAX_WAV_BYTES:
        hours = _MAX_WAV_BYTES / rate / raw.sample_bytes / 3600
        raise PollyInvalidRequestError(
            f"The document has {characters:,} characters to speak, about {seconds / 3600:,.0f} hours. A WAV "
            f"file holds at most 4 GiB, which are {hours:,.0f} hours "
            f"of {manifest.output_format} at {rate:,} Hz. Nothing was sent to Polly. Use mp3 or a lower "
            "sample_rate, or split the document."
        )


def validate_voices_of_pieces(
    hook: PollyHook, items: Sequence[BatchItem], manifest: DocumentManifest
) -> None:
    """Raise an error if the region does not support the voice, engine and language of pieces.

    :param hook: the hook, which reads the voices with DescribeVoices or from its cache
    :param items: the items of the batch that synthesizes the pieces
    :param manifest: the planned document
    :raises PollyInvalidRequestError: a combination is not supported; the error lists the pieces and
        alternatives
    """
    # An item's id is a digest, which means nothing to a reader.
    names = piece_names(manifest)
    validate_voices(hook, [replace(item, id=names[item.id]) for item in items])
