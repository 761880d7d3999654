"""The result of a document: the file, its chapters, the totals, and the manifest's location."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from airflow_polly_provider.request.pricing import ESTIMATED_COST
from airflow_polly_provider.results.cost import cost_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

MAX_CHAPTERS_BYTES = 512 * 1024
"""Maximum size of ``Chapters`` as JSON, in bytes. A longer list is left out of the result.

About 5,000 chapters have this size. The object at ``ChaptersS3Uri`` always contains all chapters.
"""

DOCUMENT_XCOM_KEYS = (
    "OutputUri",
    "OutputS3Uri",
    "Chapters",
    "ChaptersS3Uri",
    "ManifestS3Uri",
    "CaptionsS3Uris",
    "SpeechMarksS3Uri",
    "TotalPieces",
    "UnchangedPieces",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
    ESTIMATED_COST,
    "Unchanged",
)
"""The fields of a document's result that are also pushed to XCom under separate keys."""


class ChapterXCom(TypedDict):
    """One chapter in ``Chapters`` of a document's result."""

    Title: str | None
    Level: int
    """1 for a chapter, 2 for a section of a chapter, and so on."""
    SpokenCharacters: int
    """Billed length of the chapter, without its sections."""
    StartSeconds: NotRequired[float]
    """Start of the chapter in the file; absent after a dry run."""
    DurationSeconds: NotRequired[float]
    """Duration of the chapter, without its sections; absent after a dry run."""


class DocumentXCom(TypedDict):
    """The result of :class:`~airflow_polly_provider.operators.document.PollySynthesizeDocumentOperator`."""

    TotalPieces: int
    UnchangedPieces: int
    """Number of pieces that were not synthesized again: the previous file contains them, or another piece is
    the same."""
    RequestCharacters: int
    """Billed characters of this run."""
    SpokenCharacters: int
    """Billed length of the whole document."""
    Chapters: NotRequired[list[ChapterXCom]]
    """The chapters in order; absent if the list is larger than :data:`MAX_CHAPTERS_BYTES`."""
    OutputUri: NotRequired[str]
    """The file as an https address, in the form of Polly's ``OutputUri``; absent after a dry run."""
    OutputS3Uri: NotRequired[str]
    """The file as ``s3://bucket/key``; absent after a dry run."""
    ChaptersS3Uri: NotRequired[str]
    """The podcast chapters (JSON) as ``s3://bucket/key``; absent after a dry run."""
    ManifestS3Uri: NotRequired[str]
    """The document's manifest as ``s3://bucket/key``; absent after a dry run."""
    CaptionsS3Uris: NotRequired[dict[str, str]]
    """The captions as ``s3://bucket/key``, by their format; only with ``captions``."""
    SpeechMarksS3Uri: NotRequired[str]
    """The sentence and word marks of the whole file as ``s3://bucket/key``; only with ``captions``. A run
    that changes the file replaces the object by one with another key."""
    DurationSeconds: NotRequired[float]
    """Duration of the file in seconds; absent after a dry run."""
    EstimatedCost: NotRequired[float]
    """The cost of ``RequestCharacters`` in your currency; absent if the engine has no price."""
    VoiceId: NotRequired[str]
    """The operator's voice; turns of a dialogue may have others. Absent after a dry run."""
    Engine: NotRequired[str]
    LanguageCode: NotRequired[str]
    OutputFormat: NotRequired[str]
    Unchanged: NotRequired[bool]
    """Whether the file was already up to date, so that nothing was written; absent after a dry run."""
    DryRun: NotRequired[bool]
    """Only after a dry run: always True."""


def chapters_that_fit(chapters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the result field ``Chapters``; empty if the list is too large for XCom.

    :param chapters: the chapters
    """
    if len(json.dumps(chapters, separators=(",", ":"))) > MAX_CHAPTERS_BYTES:
        log.info(
            "The result has no Chapters, because the list of %d chapters is larger than %d bytes",
            len(chapters),
            MAX_CHAPTERS_BYTES,
        )
        return {}
    return {"Chapters": list(chapters)}


def log_document(value: Mapping[str, Any]) -> None:
    """Log the totals of a document.

    :param value: the result
    """
    seconds = value.get("DurationSeconds")
    log.info(
        "%s: %d pieces, %d of them unchanged. %d characters billed%s, %d spoken%s",
        value.get("OutputS3Uri", "Dry run"),
        value["TotalPieces"],
        value["UnchangedPieces"],
        value["RequestCharacters"],
        cost_words(value),
        value["SpokenCharacters"],
        "" if seconds is None else f", {seconds:.1f} s of audio",
    )
