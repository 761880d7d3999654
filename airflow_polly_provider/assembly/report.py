"""Makes the result of a document from its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.chapters import chapter_times, duration_seconds
from airflow_polly_provider.batch.item_report import MAX_LISTED
from airflow_polly_provider.request.pricing import ESTIMATED_COST, estimated_cost
from airflow_polly_provider.results.document import chapters_that_fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.places import DocumentPlaces
    from airflow_polly_provider.batch.manifest import ItemRecord


def document_result(
    manifest: DocumentManifest, places: DocumentPlaces, *, request: Mapping[str, Any], unchanged: bool
) -> dict[str, Any]:
    """Return the result of a document whose file is complete.

    :param manifest: the document's manifest
    :param places: the places of its objects
    :param request: the members that the requests of all pieces have, unless a turn of a dialogue has others;
        None for those that the user did not set
    :param unchanged: whether an earlier run made the file, so that this run costs nothing
    """
    rate = manifest.sample_rate or 1
    chapters = [
        {
            "Title": each.chapter.title,
            "Level": each.chapter.level,
            "StartSeconds": round(each.start / rate, 3),
            "DurationSeconds": round((each.end - each.start) / rate, 3),
            "SpokenCharacters": each.characters,
        }
        for each in chapter_times(manifest)
    ]
    started = 0 if unchanged else manifest.synthesized_pieces
    billed = 0 if unchanged else manifest.request_characters
    known = {} if manifest.output_uri is None else {"OutputUri": manifest.output_uri}
    return {
        **known,
        "OutputS3Uri": places.output.uri,
        "ChaptersS3Uri": places.chapters.uri,
        "ManifestS3Uri": places.manifest.uri,
        **_captions(manifest, places),
        **_totals(manifest, started, billed, request["Engine"]),
        **{name: value for name, value in request.items() if value is not None},
        "DurationSeconds": round(duration_seconds(manifest), 3),
        "Unchanged": unchanged,
        **chapters_that_fit(chapters),
    }


def piece_names(manifest: DocumentManifest) -> dict[str, str]:
    """Return the number and the chapter of each piece and of its speech marks, by their ids.

    :param manifest: the document. Of pieces with the same id, the first one counts
    """
    names: dict[str, str] = {}
    number = 0
    for position, (chapter, pieces) in enumerate(manifest.chapter_pieces(), start=1):
        title = f"chapter {position}" if chapter.title is None else f"{chapter.title!r:.60}"
        for piece in pieces:
            number += 1
            names.setdefault(piece.id, f"piece {number} ({title})")
            if piece.marks is not None:
                names.setdefault(piece.marks.id, f"speech marks of piece {number} ({title})")
    return names


def failed_pieces(manifest: DocumentManifest, failed: Sequence[ItemRecord]) -> str:
    """Return the failed pieces and the reasons for an error message, at most fifty.

    :param manifest: the document
    :param failed: the records of the failed pieces
    """
    names = piece_names(manifest)
    lines = [f"{names[record.id]}: {record.reason}" for record in failed[:MAX_LISTED]]
    if (more := len(failed) - MAX_LISTED) > 0:
        lines.append(f"… and {more:,} more")
    return "\n".join(lines)


def document_estimate(manifest: DocumentManifest, *, engine: str | None) -> dict[str, Any]:
    """Return the result of a dry run: what Polly would bill for the pieces that are not reused.

    :param manifest: the planned document
    :param engine: the request's ``Engine``
    """
    chapters = [
        {
            "Title": chapter.title,
            "Level": chapter.level,
            "SpokenCharacters": sum(piece.characters for piece in pieces),
        }
        for chapter, pieces in manifest.chapter_pieces()
    ]
    new, billed = manifest.to_synthesize(), manifest.characters_to_bill()
    return {**_totals(manifest, len(new), billed, engine), **chapters_that_fit(chapters), "DryRun": True}


def _captions(manifest: DocumentManifest, places: DocumentPlaces) -> dict[str, Any]:
    if manifest.captions is None:
        return {}
    return {
        "CaptionsS3Uris": {name: places.captions(name).uri for name in manifest.captions.formats},
        "SpeechMarksS3Uri": places.marks(manifest.layout_id).uri,
    }


def _totals(manifest: DocumentManifest, started: int, billed: int, engine: str | None) -> dict[str, Any]:
    totals: dict[str, Any] = {
        "TotalPieces": len(manifest.pieces),
        "UnchangedPieces": len(manifest.pieces) - started,
        "RequestCharacters": billed,
        "SpokenCharacters": sum(piece.characters for piece in manifest.pieces),
    }
    cost = estimated_cost(billed, engine)
    return totals if cost is None else {**totals, ESTIMATED_COST: cost}
