from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_polly_provider.assembly.checks import (
    MAX_PAUSE_SECONDS,
    validate_characters_to_bill,
    validate_document_size,
    validate_pause,
    validate_piece_size,
    validate_reuse,
    validate_wav_size,
)
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.assembly.documents import document, planned


class TestPause:
    @pytest.mark.parametrize("seconds", [0, 0.25, 1, MAX_PAUSE_SECONDS])
    def test_of_up_to_a_minute_is_valid(self, seconds: float) -> None:
        found = validate_pause(seconds, "chapter_pause_seconds")
        assert (found, type(found)) == (seconds, float)

    @pytest.mark.parametrize("seconds", [-0.1, 60.1, math.nan, math.inf, True, "1", None])
    def test_of_another_value_is_refused(self, seconds: Any) -> None:
        with pytest.raises(ValueError, match="chapter_pause_seconds must be a number from 0 to 60"):
            validate_pause(seconds, "chapter_pause_seconds")


class TestPieceSize:
    @pytest.mark.parametrize("characters", [100, 100_000])
    def test_that_polly_accepts_is_valid(self, characters: int) -> None:
        assert validate_piece_size(characters) == characters

    @pytest.mark.parametrize("characters", [0, 99, 100_001, 1000.0, True, "1000", None])
    def test_of_another_value_is_refused(self, characters: Any) -> None:
        with pytest.raises(ValueError, match="max_piece_characters must be an integer from 100 to 100,000"):
            validate_piece_size(characters)


class TestDocumentSize:
    @pytest.mark.parametrize("characters", [1, 10**9])
    def test_above_0_is_valid(self, characters: int) -> None:
        assert validate_document_size(characters) == characters

    @pytest.mark.parametrize("characters", [0, -1, 1.5, True, "1", None])
    def test_of_another_value_is_refused(self, characters: Any) -> None:
        with pytest.raises(ValueError, match="max_document_characters must be a positive integer"):
            validate_document_size(characters)


class TestReuse:
    @pytest.mark.parametrize("reuse", ["unchanged", "never"])
    def test_is_one_of_two_words(self, reuse: Any) -> None:
        assert validate_reuse(reuse) == reuse

    @pytest.mark.parametrize("reuse", ["always", "", True, None])
    def test_of_another_value_is_refused(self, reuse: Any) -> None:
        with pytest.raises(ValueError, match="reuse must be 'unchanged' or 'never'"):
            validate_reuse(reuse)


class TestCharactersToBill:
    def test_without_a_limit_are_not_checked(self) -> None:
        validate_characters_to_bill(None, document([planned(1, characters=10**9)]))

    def test_count_new_pieces_once(self) -> None:
        """A piece of the previous file costs nothing, and a repeated text is synthesized once."""
        pieces = [planned(1), planned(1), planned(2, previous_offset=0), planned(3)]
        validate_characters_to_bill(180, document(pieces))
        with pytest.raises(
            PollyInvalidRequestError, match=r"bill 180 characters for 2 pieces, but .* is 179\. .* nothing"
        ):
            validate_characters_to_bill(179, document(pieces))


class TestWavSize:
    """4 GiB are 37 hours of pcm at 16,000 Hz, and 149 hours of mulaw at 8,000 Hz."""

    @pytest.mark.parametrize(
        ("output_format", "rate", "characters"),
        [("pcm", None, 1_600_000), ("pcm", 8000, 3_200_000), ("mulaw", None, 6_400_000)],
    )
    def test_is_enough_for_a_book(self, output_format: str, rate: int | None, characters: int) -> None:
        manifest = document(
            [planned(1, characters=characters)],
            output_format=output_format,
            container="wav",
            sample_rate=rate,
        )
        validate_wav_size(manifest)
        manifest.pieces.append(planned(2, characters=100_000))
        with pytest.raises(PollyInvalidRequestError, match=r"4 GiB, .* Nothing was sent to Polly\. Use mp3"):
            validate_wav_size(manifest)

    def test_counts_pauses(self) -> None:
        manifest = document(
            [planned(1, pause_seconds=60.0)] * 2300, output_format="pcm", container="wav", sample_rate=16000
        )
        with pytest.raises(PollyInvalidRequestError, match="4 GiB"):
            validate_wav_size(manifest)

    @pytest.mark.parametrize("output_format", ["mp3", "pcm"])
    def test_without_a_container_is_not_limited(self, output_format: str) -> None:
        validate_wav_size(document([planned(1, characters=10**8)], output_format=output_format))
