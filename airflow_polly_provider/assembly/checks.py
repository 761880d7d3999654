"""Checks of the parameters of a document and of the planned document."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from airflow_polly_provider.assembly.report import piece_names
from airflow_polly_provider.audio.raw import RAW_FORMATS
from airflow_polly_provider.audio.wav import WAV
from airflow_polly_provider.batch.checks import validate_voices
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.literals import Reuse
from airflow_polly_provider.text.limits import MAX_BILLED_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.hooks.polly import PollyHook

MIN_PIECE_CHARACTERS = 100
"""The smallest value of ``max_piece_characters``."""

MAX_PAUSE_SECONDS = 60.0
"""The longest silence between two parts of a document."""

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


def validate_characters_to_bill(max_request_characters: int | None, manifest: DocumentManifest) -> None:
    """Raise an error if Polly would bill more characters for a document than the limit.

    :param max_request_characters: the operator's parameter; None for no limit
    :param manifest: the planned document
    :raises PollyInvalidRequestError: the document exceeds the limit
    """
    if max_request_characters is None:
        return
    new = manifest.to_synthesize()
    billed = sum(piece.characters for piece in new)
    if billed > max_request_characters:
        raise PollyInvalidRequestError(
            f"Polly would bill {billed:,} characters for {len(new):,} pieces, but max_request_characters is "
            f"{max_request_characters:,}. This try started nothing. Shorten the document or raise the limit, "
            "then clear the task."
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
