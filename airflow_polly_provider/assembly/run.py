"""One try of a document: the plan of its pieces, the joined file, and its manifest."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_polly_provider.assembly.captions import UnusableMarksError, are_captions_missing, write_captions
from airflow_polly_provider.assembly.chapters import file_header
from airflow_polly_provider.assembly.cleanup import remove_other_marks, remove_work_objects
from airflow_polly_provider.assembly.earlier import EarlierWork
from airflow_polly_provider.assembly.errors import translate_caption_errors, translate_joining_errors
from airflow_polly_provider.assembly.joining import FileJoiner
from airflow_polly_provider.assembly.manifest import JOINED, DocumentManifest
from airflow_polly_provider.assembly.marks import mark_places, stored_object, write_marks
from airflow_polly_provider.assembly.recording import LAYOUT_METADATA, is_file_of, record_file
from airflow_polly_provider.assembly.store import DocumentStore
from airflow_polly_provider.audio.wav import WAV, WAV_CONTENT_TYPE
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.exceptions import PollyError, PollyOutputObjectError
from airflow_polly_provider.output.multipart import StoredObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.assembly.manifest import CaptionsRecord
    from airflow_polly_provider.assembly.planning import PlannedPieces
    from airflow_polly_provider.assembly.previous import PreviousFile
    from airflow_polly_provider.assembly.settings import DocumentSettings
    from airflow_polly_provider.batch.manifest import ItemRecord

_CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "pcm": "audio/pcm",
    "mulaw": "audio/basic",
    "alaw": "audio/x-alaw-basic",
}


@dataclass(frozen=True, kw_only=True)
class FileProperties:
    """What the joined file is, apart from its pieces.

    :param output_format: Polly's OutputFormat
    :param sample_rate: the requested sample rate in Hz; None for Polly's default
    :param container: ``wav`` or None
    :param title: the title
    :param author: the author
    :param language: the language, such as ``en-US``
    :param captions: the captions beside the file; None for none
    """

    output_format: str
    sample_rate: int | None
    container: str | None
    title: str | None
    author: str | None
    language: str | None
    captions: CaptionsRecord | None = None


class DocumentRun:
    """A document in one try.

    :param settings: the settings of the try
    """

    def __init__(self, settings: DocumentSettings) -> None:
        self.settings = settings
        self._places = settings.places
        self._plans = DocumentStore(
            lambda: settings.s3.client,
            self._places.plan,
            if_damaged="It is the plan of this run. Find out what wrote it, delete the object, and clear the "
            "task: pieces that are already synthesized are not paid for again.",
        )
        self._manifests = DocumentStore(
            lambda: settings.s3.client,
            self._places.manifest,
            if_damaged="Choose another manifest_s3_key. If the object is not needed, delete it; the next run "
            "then pays for the whole document.",
        )
        self.earlier = EarlierWork(settings, self._plans, self._manifests)
        self._replaces_marks = False

    def plan(
        self, planned: PlannedPieces, file: FileProperties, previous: PreviousFile | None
    ) -> DocumentManifest:
        """Return the manifest of the document that this run makes.

        :param planned: the pieces
        :param file: what the file is
        :param previous: the previous file, from which pieces are taken; None to take none
        """
        pieces = planned.pieces if previous is None else previous.taken_from(planned.pieces)
        plan = DocumentManifest(
            run=self.settings.run_id,
            began=self.settings.run.began,
            run_token=self.settings.run_token,
            layout_id=uuid.uuid4().hex,
            key=self._places.output.key,
            output_format=file.output_format,
            container=file.container,
            title=file.title,
            author=file.author,
            language=file.language,
            chapters=planned.chapters,
            pieces=pieces,
            sample_rate=file.sample_rate,
            captions=file.captions,
            previous_etag=None if previous is None else previous.manifest.etag,
            audio_form=None if previous is None else previous.manifest.audio_form,
            output_uri=None if previous is None else previous.manifest.output_uri,
        )
        if (replaced := self.earlier.replaced) is not None and replaced.captions is not None:
            self._replaces_marks = True
            plan.previous_layout_id, plan.previous_captions = replaced.layout_id, replaced.captions.formats
        return plan

    def begin(self, manifest: DocumentManifest) -> None:
        """Record the plan of the document before anything is started.

        :param manifest: the document
        """
        self._plans.replace(manifest)

    def resume(self) -> DocumentManifest:
        """Return the plan that this try recorded before the deferral.

        :raises PollyError: the plan was replaced or removed
        """
        plan = self._plans.load()
        settings = self.settings
        ours = (settings.run_id, settings.run_token, self._places.output.key)
        if plan is None or (plan.run, plan.run_token, plan.key) != ours:
            raise PollyError(
                f"{self._places.plan.uri} is not the plan of this document: it was replaced or removed. "
                "Clear the task: pieces that are already synthesized are not paid for again."
            )
        self._manifests.load()
        self._replaces_marks = plan.previous_layout_id is not None
        return plan

    def join(self, manifest: DocumentManifest, records: Sequence[ItemRecord]) -> None:
        """Write the joined file, its speech marks, captions and chapters, and its manifest.

        :param manifest: the document
        :param records: the records of the new pieces
        :raises PollyOutputObjectError: a piece is missing or damaged, or S3 rejected a request
        :raises PollyError: another run replaced the previous file
        """
        output_uris = {record.id: str(record.output_uri) for record in records}
        manifest.synthesized_pieces = len(manifest.to_synthesize())
        manifest.request_characters = sum(record.request_characters or 0 for record in records)
        for uri in output_uris.values():
            manifest.output_uri = uri.removesuffix(parse_output_uri(uri).key) + self._places.output.key
            break
        with translate_joining_errors(self.settings.hook, self._places.output):
            self._write_file(manifest, output_uris, self._previous(manifest))

    def _write_marks(self, manifest: DocumentManifest, output_uris: Mapping[str, str]) -> None:
        previous = None
        if any(place.marks.previous_offset is not None for place in mark_places(manifest)):
            location = self._places.marks(manifest.previous_layout_id or "")
            if (previous := stored_object(self.settings.s3, location)) is None:
                raise PollyError(
                    f"{location.uri} was removed while the new pieces were synthesized. Does another run "
                    "write to the same key? The next try uses the pieces that are already paid for."
                )
        write_marks(self.settings, manifest, output_uris, previous)

    def _previous(self, manifest: DocumentManifest) -> StoredObject | None:
        if all(piece.previous_offset is None for piece in manifest.pieces):
            return None
        output = self._places.output
        head = self.settings.s3.head(output)
        if head is None or head["ETag"] != manifest.previous_etag:
            raise PollyError(
                f"{output.uri} was changed or removed while the new pieces were synthesized. Does another "
                "run write to the same key? The next try uses the pieces that are already paid for."
            )
        return StoredObject(output, head["ContentLength"], head["ETag"])

    def _write_file(
        self, manifest: DocumentManifest, output_uris: Mapping[str, str], previous: StoredObject | None
    ) -> None:
        output = self._places.output
        is_wav = manifest.container == WAV

        def note_complete() -> None:
            # Damaged speech marks are found before anything is replaced.
            if manifest.captions is not None:
                self._write_marks(manifest, output_uris)
            manifest.phase = JOINED
            self._plans.replace(manifest)

        FileJoiner(manifest, self.settings.s3, output_uris, previous).write(
            {
                "Bucket": output.bucket,
                "Key": output.key,
                "ContentType": WAV_CONTENT_TYPE if is_wav else _CONTENT_TYPES[manifest.output_format],
                "Metadata": {LAYOUT_METADATA: manifest.layout_id},
            },
            header_of=lambda size: file_header(manifest, size),
            before_it_appears=note_complete,
        )
        head = self.settings.s3.head(output)
        if head is None or not is_file_of(manifest, head):
            raise PollyError(
                f"{output.uri} was replaced or removed while this task wrote it. Does another run write to "
                "the same key? The next try joins the pieces again, and pays nothing."
            )
        record_file(self.settings, self._manifests, manifest, head["ETag"])

    def restore_captions(self, manifest: DocumentManifest) -> None:
        """Write the captions of the existing file again if some of them are gone.

        :param manifest: the manifest of the file
        :raises PollyOutputObjectError: they cannot be written
        """
        with translate_caption_errors(self.settings.hook, self._places.output):
            if not are_captions_missing(self.settings, manifest):
                return
            try:
                write_captions(self.settings, manifest)
            except UnusableMarksError as error:
                raise PollyOutputObjectError(
                    f"{error} Run the task without captions, and then again with captions: this pays only "
                    "for the speech marks."
                ) from error

    def clean_up(self, manifest: DocumentManifest, *, keep_pieces: bool) -> None:
        """Remove the objects that were needed only until the file was complete. Raises no error.

        :param manifest: the manifest of the file
        :param keep_pieces: whether to keep the pieces
        """
        remove_work_objects(self.settings, keep_pieces=keep_pieces)
        if self._replaces_marks or manifest.captions is not None:
            remove_other_marks(self.settings, None if manifest.captions is None else manifest.layout_id)
