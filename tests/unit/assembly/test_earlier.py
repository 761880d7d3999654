"""Tests of what earlier runs and tries left, and of the checks before pieces are taken from a file."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.assembly.earlier import EarlierWork
from airflow_polly_provider.assembly.manifest import JOINED, MarksRecord
from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.assembly.previous import PreviousFile
from airflow_polly_provider.assembly.recording import LAYOUT_METADATA
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.assembly.documents import (
    BEGAN,
    BUCKET,
    KEY,
    LAYOUT_ID,
    OUTPUT_URI,
    RUN,
    RUN_TOKEN,
    document,
    joined,
    planned,
)

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest

ETAG = '"e"'
SIZE = 1000
OTHER_TOKEN = "a" * 16
HEAD: dict[str, Any] = {
    "ETag": ETAG,
    "ContentLength": SIZE,
    "Metadata": {LAYOUT_METADATA: LAYOUT_ID},
}


class Store:
    """A place of a manifest."""

    def __init__(self, manifest: DocumentManifest | None) -> None:
        self.manifest = manifest
        self.location = document_places(BUCKET, KEY, manifest_key=None, prefix=None, run_id=RUN).manifest

    def load(self) -> DocumentManifest | None:
        """Return the manifest."""
        return self.manifest

    def save(self, manifest: DocumentManifest) -> None:
        """Store a manifest."""
        self.manifest = manifest


def finished(**fields: Any) -> DocumentManifest:
    """Return the manifest of a file of one piece that this run made."""
    given: dict[str, Any] = {
        "phase": JOINED,
        "output_format": "pcm",
        "etag": ETAG,
        "size": SIZE,
        "header_size": 0,
        "output_uri": OUTPUT_URI,
        "audio_form": None,
    } | fields
    return document(joined(planned(1)), **given)


def work(
    manifest: DocumentManifest | None,
    *,
    plan: DocumentManifest | None = None,
    head: dict[str, Any] | None = None,
    try_number: int = 2,
    began: str = BEGAN,
    token: str = RUN_TOKEN,
) -> EarlierWork:
    """Return the earlier work of a try of the run ``RUN``, with what is in S3."""
    settings: Any = SimpleNamespace(
        places=document_places(BUCKET, KEY, manifest_key=None, prefix=None, run_id=RUN),
        s3=SimpleNamespace(
            head=lambda location: head, client=SimpleNamespace(put_object=lambda **request: None)
        ),
        hook=PollyHook(),
        run=SimpleNamespace(try_number=try_number, began=began),
        run_id=RUN,
        run_token=token,
    )
    plans: Any = Store(plan)
    manifests: Any = Store(manifest)
    return EarlierWork(settings, plans, manifests)


class TestPreviousFile:
    """The file from which pieces are taken."""

    def test_of_another_run_can_be_used(self) -> None:
        found = work(finished(run=replace_run())).previous_file(reuse="unchanged", dry_run=False)
        assert found is not None
        assert not found.is_of_this_run

    def test_of_another_run_is_not_used_if_nothing_may_be_reused(self) -> None:
        assert work(finished(run=replace_run())).previous_file(reuse="never", dry_run=False) is None

    @pytest.mark.parametrize("reuse", ["unchanged", "never"])
    def test_of_this_run_is_used_in_any_case(self, reuse: Any) -> None:
        found = work(finished()).previous_file(reuse=reuse, dry_run=False)
        assert found is not None
        assert found.is_of_this_run

    @pytest.mark.parametrize(
        "changed",
        [{"token": OTHER_TOKEN}, {"began": "2027-01-01T00:00:00+00:00"}],
        ids=["cleared", "recreated"],
    )
    def test_of_a_cleared_task_or_a_recreated_run_is_that_of_another_run(self, changed: Any) -> None:
        earlier = work(finished(), **changed)
        found = earlier.previous_file(reuse="unchanged", dry_run=False)
        assert found is not None
        assert not found.is_of_this_run
        assert earlier.previous_file(reuse="never", dry_run=False) is None

    def test_of_another_key_is_an_error(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="the manifest of another document"):
            work(finished(key="other.mp3")).previous_file(reuse="unchanged", dry_run=False)

    @pytest.mark.parametrize(
        "forged",
        [
            "https://example.org/my-bucket/books/alice.mp3",
            f"https://s3.eu-west-1.amazonaws.com/other/{KEY}",
            f"https://s3.eu-west-1.amazonaws.com/{BUCKET}/other.mp3",
            "nothing",
            None,
        ],
    )
    def test_has_no_address_outside_of_its_own_place(self, forged: str | None) -> None:
        found = work(finished(output_uri=forged)).previous_file(reuse="unchanged", dry_run=False)
        assert found is not None
        assert found.manifest.output_uri is None

    def test_that_an_earlier_try_did_not_record_is_recorded(self) -> None:
        plan = finished(etag=None, layout_id=LAYOUT_ID)
        old = finished(layout_id="f" * 32, run=replace_run())
        earlier = work(old, plan=plan, head=HEAD)
        found = earlier.previous_file(reuse="never", dry_run=False)
        assert found is not None
        assert (found.is_of_this_run, found.manifest.etag) == (True, ETAG)
        assert not earlier.is_delivered

    def test_whose_plan_remained_after_the_delivery_is_that_of_an_earlier_run(self) -> None:
        earlier = work(finished(), plan=finished(), head=HEAD, token=OTHER_TOKEN)
        assert earlier.previous_file(reuse="never", dry_run=False) is None
        assert earlier.is_delivered


def replace_run() -> Any:
    """Return the identity of another run."""
    return RUN._replace(run_id="manual__2020-01-01T00:00:00+00:00")


def planned_from(previous: PreviousFile, **fields: Any) -> DocumentManifest:
    """Return a planned document whose first piece is in the previous file, and whose second is new."""
    pieces = previous.taken_from([planned(1), planned(2)])
    return document(pieces, output_format="pcm", previous_etag=ETAG, **fields)


class TestValidatePrevious:
    """The check before anything is started."""

    def test_that_an_unchanged_file_can_be_used(self) -> None:
        previous = PreviousFile(finished())
        work(None, head=HEAD).validate_previous(planned_from(previous), previous)

    def test_that_is_not_needed_is_not_made(self) -> None:
        previous = PreviousFile(finished())
        manifest = document([planned(2)], output_format="pcm", previous_etag=ETAG)
        work(None, head=None).validate_previous(manifest, previous)

    @pytest.mark.parametrize(
        ("head", "words"),
        [({**HEAD, "ETag": '"other"'}, "was replaced or changed"), (None, "no longer exists")],
    )
    def test_that_a_changed_file_is_an_error_that_says_what_would_be_paid_again(
        self, head: dict[str, Any] | None, words: str
    ) -> None:
        previous = PreviousFile(finished())
        with pytest.raises(PollyInvalidRequestError, match=words) as error:
            work(None, head=head).validate_previous(planned_from(previous), previous)
        assert "Nothing was sent to Polly. 1 of 2 pieces, with 90 characters" in str(error.value)
        assert "would have to be paid for again: 1 of chapter 1" in str(error.value)

    @pytest.mark.parametrize(
        ("head", "words"),
        [
            ({**HEAD, "ContentLength": SIZE - 1}, "but the file has 999"),
            ({**HEAD, "ContentLength": SIZE + 1}, "but the file has 1,001"),
        ],
    )
    def test_that_a_manifest_with_another_size_is_an_error(self, head: dict[str, Any], words: str) -> None:
        previous = PreviousFile(finished())
        with pytest.raises(PollyInvalidRequestError, match=f"damaged or forged: .*{words}"):
            work(None, head=head).validate_previous(planned_from(previous), previous)

    @pytest.mark.parametrize("forged", [{"offset": 1}, {"size": SIZE + 1}, {"samples": 0}])
    def test_that_a_piece_outside_of_the_file_is_an_error(self, forged: dict[str, Any]) -> None:
        manifest = finished()
        manifest.pieces = [replace(manifest.pieces[0], **forged)]
        previous = PreviousFile(manifest)
        with pytest.raises(PollyInvalidRequestError, match="a piece is not inside the file"):
            work(None, head=HEAD).validate_previous(planned_from(previous), previous)

    @pytest.mark.parametrize("form", [None, "zz"])
    def test_that_an_mp3_file_without_a_form_is_an_error(self, form: str | None) -> None:
        previous = PreviousFile(finished(output_format="mp3", audio_form=form))
        manifest = planned_from(previous, audio_form=form)
        manifest.output_format = "mp3"
        with pytest.raises(PollyInvalidRequestError, match="AudioForm"):
            work(None, head=HEAD).validate_previous(manifest, previous)

    def test_that_speech_marks_without_captions_are_an_error(self) -> None:
        """Without captions in the manifest, the plan would not name the file of the marks."""
        manifest = finished()
        manifest.pieces[0].marks = MarksRecord("a" * 64, 10, offset=0, size=100)
        previous = PreviousFile(manifest)
        (piece,) = previous.taken_from([planned(1, marks=MarksRecord("a" * 64, 10))])
        with pytest.raises(PollyInvalidRequestError, match="have speech marks, but it has no captions"):
            work(None, head=HEAD).validate_previous(document([piece]), previous)
