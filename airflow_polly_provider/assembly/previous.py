"""The pieces of the file that an earlier run made, and which of them the next file takes from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_polly_provider.assembly.marks import mark_places
from airflow_polly_provider.text.pieces import KnownPiece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_polly_provider.assembly.manifest import DocumentManifest, MarksRecord, PieceRecord


class PreviousFile:
    """The file that an earlier run made.

    :param manifest: the manifest of the file
    :param is_of_this_run: whether an earlier try of this run made the file, and could not deliver it
    """

    def __init__(self, manifest: DocumentManifest, *, is_of_this_run: bool = False) -> None:
        self.manifest = manifest
        self.is_of_this_run = is_of_this_run
        self._positions: dict[str, list[int]] = {}
        self._marks: dict[str, list[MarksRecord]] = {}
        for position, piece in enumerate(manifest.pieces):
            if piece.offset is not None and piece.size is not None:
                self._positions.setdefault(piece.id, []).append(position)
        for place in mark_places(manifest):
            marks = place.marks
            if marks.offset is not None and marks.size is not None:
                taken = replace(
                    marks,
                    previous_offset=marks.offset,
                    previous_ms=place.time_ms,
                    previous_text=place.text_bytes,
                    offset=None,
                )
                self._marks.setdefault(marks.id, []).append(taken)

    def known_pieces(self) -> list[KnownPiece]:
        """Return the pieces of the file for :func:`~airflow_polly_provider.text.splitting.split_text`."""
        return [KnownPiece(piece.head, piece.length, piece.id) for piece in self.manifest.pieces]

    def taken_from(self, pieces: Iterable[PieceRecord]) -> list[PieceRecord]:
        """Return pieces, with the place in the file for each piece that the file contains.

        :param pieces: the pieces of the next file in order
        """
        taken, expected, next_marks = [], 0, 0
        for each in pieces:
            piece = each
            if each.marks is not None and (known := self._marks.get(each.marks.id)) is not None:
                # Marks that are read in their order need fewer requests.
                marks = next((one for one in known if (one.previous_offset or 0) >= next_marks), known[0])
                next_marks = (marks.previous_offset or 0) + (marks.size or 0)
                piece = replace(each, marks=replace(marks))
            positions = self._positions.get(piece.id)
            if positions is None:
                taken.append(piece)
                continue
            # A piece that follows its predecessor as before can be copied together with it.
            position = expected if expected in positions else positions[0]
            expected = position + 1
            taken.append(self._at(piece, self.manifest.pieces[position]))
        return taken

    def _at(self, piece: PieceRecord, earlier: PieceRecord) -> PieceRecord:
        same_pause = piece.pause_seconds == earlier.pause_seconds
        return replace(
            piece,
            previous_offset=self.manifest.header_size + (earlier.offset or 0),
            size=earlier.size,
            samples=earlier.samples,
            pause_size=earlier.pause_size if same_pause else 0,
            pause_samples=earlier.pause_samples if same_pause else 0,
        )
