from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.assembly.manifest import ChapterRecord
from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.assembly.report import document_estimate, document_result, failed_pieces
from airflow_polly_provider.batch.manifest import ItemRecord
from airflow_polly_provider.results.document import DOCUMENT_XCOM_KEYS, MAX_CHAPTERS_BYTES
from tests.unit.assembly.documents import BUCKET, KEY, OUTPUT_URI, RUN, document, joined, piece_id, planned

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest

PLACES = document_places(BUCKET, KEY, manifest_key=None, prefix=None, run_id=RUN)
PRICES = "AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS"
CHAPTERS = [ChapterRecord("One", 1, 2), ChapterRecord(None, 2, 1)]


@pytest.fixture(autouse=True)
def _prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a price of 4 for a million characters of the standard engine, and 16 of the neural one."""
    monkeypatch.setenv(PRICES, '{"standard": 4, "neural": 16}')


def book(**fields: Any) -> DocumentManifest:
    """Return a document of two chapters, in which the first piece was synthesized."""
    pieces = joined(planned(1), planned(2, size=2000, pause_seconds=500.0), planned(3))
    given: dict[str, Any] = {"chapters": CHAPTERS, "output_uri": OUTPUT_URI, "synthesized_pieces": 1}
    return document(pieces, **given | {"request_characters": 90} | fields)


def result(
    manifest: DocumentManifest, engine: str | None = None, *, unchanged: bool = False
) -> dict[str, Any]:
    request = {"VoiceId": "Amy", "Engine": engine, "LanguageCode": None}
    return document_result(manifest, PLACES, request=request, unchanged=unchanged)


def failed(number: int, reason: str = "Speech was too long.") -> ItemRecord:
    return ItemRecord(
        id=piece_id(number),
        digest=piece_id(0),
        bucket=BUCKET,
        prefix=None,
        characters=90,
        status="failed",
        reason=reason,
    )


class TestResult:
    def test_describes_the_file(self) -> None:
        assert result(book()) == {
            "OutputUri": OUTPUT_URI,
            "OutputS3Uri": f"s3://{BUCKET}/{KEY}",
            "ChaptersS3Uri": f"s3://{BUCKET}/{KEY}.chapters.json",
            "ManifestS3Uri": f"s3://{BUCKET}/{KEY}.manifest.json",
            "TotalPieces": 3,
            "UnchangedPieces": 2,
            "RequestCharacters": 90,
            "SpokenCharacters": 270,
            "EstimatedCost": pytest.approx(90 * 4 / 10**6),
            "VoiceId": "Amy",
            "DurationSeconds": 6.0,
            "Unchanged": False,
            "Chapters": [
                {
                    "Title": "One",
                    "Level": 1,
                    "StartSeconds": 0.0,
                    "DurationSeconds": 5.0,
                    "SpokenCharacters": 180,
                },
                {
                    "Title": None,
                    "Level": 2,
                    "StartSeconds": 5.0,
                    "DurationSeconds": 1.0,
                    "SpokenCharacters": 90,
                },
            ],
        }

    def test_has_only_fields_that_are_pushed_and_those_of_the_request(self) -> None:
        assert set(result(book())) <= {*DOCUMENT_XCOM_KEYS, "VoiceId"}

    def test_of_an_unchanged_document_costs_nothing(self) -> None:
        value = result(book(), unchanged=True)
        assert (value["RequestCharacters"], value["EstimatedCost"]) == (0, 0)
        assert (value["UnchangedPieces"], value["SpokenCharacters"]) == (3, 270)

    def test_leaves_out_a_list_of_chapters_that_is_too_large(self) -> None:
        title = MAX_CHAPTERS_BYTES * "a"
        manifest = book(chapters=[ChapterRecord(title, 1, 3)])
        assert "Chapters" not in result(manifest)
        assert "Chapters" not in document_estimate(manifest, engine=None)


def test_estimate_counts_only_new_pieces() -> None:
    pieces = [planned(1), planned(1), planned(2, previous_offset=0)]
    value = document_estimate(document(pieces, chapters=CHAPTERS), engine="neural")
    assert value == {
        "DryRun": True,
        "TotalPieces": 3,
        "UnchangedPieces": 2,
        "RequestCharacters": 90,
        "SpokenCharacters": 270,
        "EstimatedCost": pytest.approx(90 * 16 / 10**6),
        "Chapters": [
            {"Title": "One", "Level": 1, "SpokenCharacters": 180},
            {"Title": None, "Level": 2, "SpokenCharacters": 90},
        ],
    }


class TestFailedPieces:
    def test_are_named_by_number_and_chapter(self) -> None:
        assert failed_pieces(book(), [failed(2), failed(3, "No.")]).splitlines() == [
            "piece 2 ('One'): Speech was too long.",
            "piece 3 (chapter 2): No.",
        ]

    def test_of_a_repeated_text_name_its_first_place(self) -> None:
        manifest = document([planned(1), planned(2), planned(2)])
        assert failed_pieces(manifest, [failed(2)]).startswith("piece 2 (chapter 1): ")

    def test_are_at_most_fifty(self) -> None:
        manifest = document([planned(number) for number in range(60)])
        lines = failed_pieces(manifest, [failed(number) for number in range(60)]).splitlines()
        assert (len(lines), lines[-1]) == (51, "… and 10 more")
