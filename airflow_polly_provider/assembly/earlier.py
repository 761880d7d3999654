"""Finds the file that an earlier run or try made, and checks it before pieces are taken from it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.errors import translate_head_errors, translate_joining_errors
from airflow_polly_provider.assembly.manifest import JOINED
from airflow_polly_provider.assembly.marks import stored_object
from airflow_polly_provider.assembly.previous import PreviousFile
from airflow_polly_provider.assembly.recording import is_file_of, record_file
from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.output.provenance import is_in_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.assembly.store import DocumentStore
    from airflow_polly_provider.request.literals import Reuse

log = logging.getLogger(__name__)

_MAX_LISTED = 50


class EarlierWork:
    """What earlier runs and tries left in S3.

    :param settings: the settings of the try
    :param plans: the place of the plan of this run
    :param manifests: the place of the document's manifest
    """

    def __init__(self, settings: DocumentSettings, plans: DocumentStore, manifests: DocumentStore) -> None:
        self._settings = settings
        self._plans = plans
        self._manifests = manifests
        self.is_delivered = False
        """Whether this run has delivered its file before, so that the task was cleared after a success."""
        self.replaced: DocumentManifest | None = None
        """The manifest of the file that this run replaces, even if nothing is taken from it."""

    def previous_file(self, *, reuse: Reuse, dry_run: bool) -> PreviousFile | None:
        """Return the file from which pieces can be taken; None if there is none.

        If an earlier try of this run made the file, but ended before it recorded it, it is recorded now.

        :param reuse: the operator's parameter
        :param dry_run: whether nothing may be written
        :raises PollyInvalidRequestError: the object at the manifest's key is not the manifest of this file
        """
        manifest = self._load_manifest()
        plan = self._plans.load()
        if plan is not None and plan.phase == JOINED and self._is_of_this_run(plan):
            if manifest is not None and manifest.layout_id == plan.layout_id:
                self.is_delivered = plan.run_token != self._settings.run_token
            elif not dry_run and (finished := self._recorded_now(plan)) is not None:
                self.replaced = plan
                return finished
        self.replaced = manifest
        if manifest is None or manifest.phase != JOINED or manifest.etag is None:
            return None
        # A task that was cleared after its file was complete has another token. A run that was deleted and
        # created again has the same token as before, but began at another time.
        run = self._settings.run
        of_this_run = self._is_of_this_run(manifest) and manifest.run_token == self._settings.run_token
        of_this_run = of_this_run and manifest.began == run.began
        if reuse == "never" and not of_this_run:
            return None
        return PreviousFile(manifest, is_of_this_run=of_this_run)

    def _load_manifest(self) -> DocumentManifest | None:
        manifest, output = self._manifests.load(), self._settings.places.output
        if manifest is None:
            return None
        if manifest.key != output.key:
            raise PollyInvalidRequestError(
                f"{self._manifests.location.uri} is the manifest of another document, with the key "
                f"{manifest.key!r:.100}. Choose another manifest_s3_key."
            )
        # Everyone who can write the object can forge it. The console link is built from the address.
        uri = manifest.output_uri or ""
        if not is_in_bucket(uri, output.bucket) or parse_output_uri(uri).key != output.key:
            manifest.output_uri = None
        return manifest

    def _is_of_this_run(self, manifest: DocumentManifest) -> bool:
        run = self._settings.run
        # Clearing an ended run changes the time, but then this is not the first try.
        began = run.try_number > 1 or manifest.began == run.began
        return manifest.run == self._settings.run_id and began

    def _recorded_now(self, plan: DocumentManifest) -> PreviousFile | None:
        head = self._head()
        if head is None or not is_file_of(plan, head):
            return None
        output = self._settings.places.output
        log.info("%s is complete: an earlier try of this run made it", output.uri)
        with translate_joining_errors(self._settings.hook, output):
            record_file(self._settings, self._manifests, plan, head["ETag"])
        return PreviousFile(plan, is_of_this_run=True)

    def validate_previous(self, manifest: DocumentManifest, previous: PreviousFile | None) -> None:
        """Check that the previous file and its speech marks have not changed, if they are used.

        :param manifest: the planned document
        :param previous: the previous file
        :raises PollyInvalidRequestError: the file was changed or removed, or its manifest is damaged
        """
        if previous is None:
            return
        self._validate_marks(manifest, previous)
        taken = [piece for piece in manifest.pieces if piece.previous_offset is not None]
        if not taken:
            return
        output = self._settings.places.output
        head = self._head()
        if head is not None and head["ETag"] == manifest.previous_etag:
            self._validate_places(manifest, previous, head["ContentLength"])
            return
        what = "no longer exists" if head is None else "was replaced or changed"
        characters = sum(piece.characters for piece in taken)
        raise PollyInvalidRequestError(
            f"{output.uri} {what} since its manifest {self._manifests.location.uri} was written, so its "
            f"pieces cannot be reused. Nothing was sent to Polly. {len(taken):,} of {len(manifest.pieces):,} "
            f"pieces, with {characters:,} characters, would have to be paid for again: "
            f"{_listed(manifest)}. Restore the file, or set reuse='never'."
        )

    def _validate_places(self, manifest: DocumentManifest, previous: PreviousFile, size: int) -> None:
        """Check that the pieces are inside the file. Otherwise, an error would occur after the payment."""
        if problem := _problem_of(manifest, previous, size):
            raise self._damaged(problem)

    def _damaged(self, problem: str) -> PollyInvalidRequestError:
        return PollyInvalidRequestError(
            f"The manifest {self._manifests.location.uri} is damaged or forged: {problem}. Nothing was "
            "sent to Polly. Find out what wrote it. To pay for the whole document again, set "
            "reuse='never'."
        )

    def _validate_marks(self, manifest: DocumentManifest, previous: PreviousFile) -> None:
        taken = [
            (piece, piece.marks)
            for piece in manifest.pieces
            if piece.marks is not None and piece.marks.previous_offset is not None
        ]
        if not taken:
            return
        if previous.manifest.captions is None:
            raise self._damaged("its pieces have speech marks, but it has no captions")
        location = self._settings.places.marks(previous.manifest.layout_id)
        with translate_head_errors(self._settings.hook, location):
            stored = stored_object(self._settings.s3, location)
        if stored is None:
            characters = sum(piece.characters for piece, _ in taken)
            raise PollyInvalidRequestError(
                f"{location.uri} no longer exists, so the speech marks of {len(taken):,} pieces, with "
                f"{characters:,} characters, would have to be paid for again. Nothing was sent to Polly. "
                "Restore the object. Or run the task without captions, and then again with captions: this "
                "pays only for the speech marks."
            )
        if any((marks.previous_offset or 0) + (marks.size or 0) > stored.size for _, marks in taken):
            raise self._damaged("the speech marks of a piece are not inside their file")

    def _head(self) -> Mapping[str, Any] | None:
        """Return the response to HeadObject for the joined file, before anything is started."""
        output = self._settings.places.output
        with translate_head_errors(self._settings.hook, output):
            return self._settings.s3.head(output)


def _problem_of(manifest: DocumentManifest, previous: PreviousFile, size: int) -> str | None:
    """Return what is wrong with the manifest of a previous file that has this size."""
    if previous.manifest.size != size:
        return f"it states a size of {previous.manifest.size or 0:,} bytes, but the file has {size:,}"
    for piece in manifest.pieces:
        if piece.previous_offset is not None:
            end = piece.previous_offset + (piece.size or 0) + piece.pause_size
            if not piece.size or not piece.samples or end > size:
                return "a piece is not inside the file"
    try:
        joiner_of(manifest.output_format, form=manifest.audio_form).silence(1.0)
    except ValueError as error:
        return f"AudioForm is {manifest.audio_form!r:.20}: {error}"
    return None


def _listed(manifest: DocumentManifest) -> str:
    """Return the chapters whose pieces would be paid for again."""
    names = []
    for number, (chapter, pieces) in enumerate(manifest.chapter_pieces(), start=1):
        if count := sum(piece.previous_offset is not None for piece in pieces):
            name = f"chapter {number}" if chapter.title is None else f"{chapter.title!r:.60}"
            names.append(f"{count} of {name}")
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")
