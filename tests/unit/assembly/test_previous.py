from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.assembly.previous import PreviousFile
from tests.unit.assembly.documents import document, joined, piece_id, planned

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import PieceRecord

HEADER = 300


def previous(*pieces: PieceRecord) -> PreviousFile:
    return PreviousFile(document(joined(*pieces), header_size=HEADER))


def offsets(pieces: list[PieceRecord]) -> list[int | None]:
    return [piece.previous_offset for piece in pieces]


def test_pieces_of_the_file_are_known_to_the_splitting() -> None:
    known = previous(planned(1), planned(2)).known_pieces()
    assert [(each.head, each.length, each.digest) for each in known] == [
        (1001, 100, piece_id(1)),
        (1002, 100, piece_id(2)),
    ]


def test_piece_is_taken_with_its_place_behind_the_header() -> None:
    (piece,) = previous(planned(1), planned(2)).taken_from([planned(2)])
    assert (piece.previous_offset, piece.size, piece.samples) == (HEADER + 1000, 1000, 1000)
    assert piece.offset is None


def test_new_piece_is_unchanged() -> None:
    new = planned(3)
    assert previous(planned(1)).taken_from([new]) == [new]


def test_piece_without_a_place_is_not_taken() -> None:
    """An earlier manifest that lacks a place cannot be used to copy the piece."""
    manifest = document([planned(1)])
    assert offsets(PreviousFile(manifest).taken_from([planned(1)])) == [None]


def test_moved_pieces_are_taken_in_their_new_order() -> None:
    taken = previous(planned(1), planned(2), planned(3)).taken_from([planned(3), planned(1), planned(2)])
    assert offsets(taken) == [HEADER + 2000, HEADER, HEADER + 1000]


def test_repeated_text_is_taken_from_the_place_that_follows() -> None:
    """A piece that occurs several times is taken where it can be copied together with its predecessor."""
    file = previous(planned(9), planned(1), planned(9), planned(2))
    taken = file.taken_from([planned(1), planned(9), planned(2)])
    assert offsets(taken) == [HEADER + 1000, HEADER + 2000, HEADER + 3000]


def test_text_that_is_repeated_more_often_than_before_is_taken_each_time() -> None:
    taken = previous(planned(1)).taken_from([planned(1), planned(1)])
    assert offsets(taken) == [HEADER, HEADER]


def test_pause_is_taken_with_the_piece_if_it_is_the_same() -> None:
    file = previous(planned(1, pause_seconds=2.0), planned(2))
    (same,) = file.taken_from([planned(1, pause_seconds=2.0)])
    (longer,) = file.taken_from([planned(1, pause_seconds=3.0)])
    assert (same.pause_size, same.pause_samples) == (20, 8)
    assert (longer.pause_size, longer.pause_samples, longer.pause_seconds) == (0, 0, 3.0)


def test_piece_after_a_changed_pause_keeps_its_own_place() -> None:
    file = previous(planned(1, pause_seconds=2.0), planned(2))
    assert offsets(file.taken_from([planned(1), planned(2)])) == [HEADER, HEADER + 1020]


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 6), max_size=12))
def test_each_taken_piece_is_a_piece_of_the_file(before: list[int], after: list[int]) -> None:
    """Each place is one of a piece with the same id, and exactly the pieces that the file has are taken."""
    file = previous(*map(planned, before))
    places = {HEADER + 1000 * position: piece_id(number) for position, number in enumerate(before)}
    taken = file.taken_from([planned(number) for number in after])
    assert [piece.id for piece in taken] == [piece_id(number) for number in after]
    for piece in taken:
        if piece.previous_offset is None:
            assert piece.id not in places.values()
        else:
            assert places[piece.previous_offset] == piece.id


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_unchanged_document_is_taken_in_one_range(numbers: list[int]) -> None:
    """Even if texts are repeated, pieces that follow each other are taken from places that do."""
    file = previous(*map(planned, numbers))
    taken = offsets(file.taken_from([planned(number) for number in numbers]))
    jumps = sum(after != (before or 0) + 1000 for before, after in pairwise(taken))
    assert (taken[0], jumps) == (HEADER, 0)
