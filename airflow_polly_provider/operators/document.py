"""The operator that turns a document of any length into one audio file with chapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.checks import (
    captions_record,
    validate_characters_to_bill,
    validate_document_size,
    validate_engine_of_captions,
    validate_pause,
    validate_piece_size,
    validate_reuse,
    validate_voices_of_pieces,
    validate_wav_size,
)
from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.assembly.planning import PieceRules, planned_pieces
from airflow_polly_provider.assembly.report import document_estimate, document_result, failed_pieces
from airflow_polly_provider.assembly.requests import PieceRequests
from airflow_polly_provider.assembly.run import DocumentRun, FileProperties
from airflow_polly_provider.assembly.settings import DocumentSettings
from airflow_polly_provider.assembly.source import read_source, section_of_turns, sections_of
from airflow_polly_provider.audio.joining import validate_joinable
from airflow_polly_provider.aws.base import aws_template_fields
from airflow_polly_provider.batch.finishing import THREADS
from airflow_polly_provider.batch.identity import run_id_of
from airflow_polly_provider.batch.report import failed_items
from airflow_polly_provider.batch.run import begin, resume
from airflow_polly_provider.document.reading import validate_length
from airflow_polly_provider.document.turns import read_turns
from airflow_polly_provider.exceptions import PollyBatchError
from airflow_polly_provider.links.polly import SPEECH_TASK_LINKS
from airflow_polly_provider.operators.batch_base import PollyBatchWaitingOperator
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.request.billing import validate_max_request_characters
from airflow_polly_provider.request.container import validate_output_container, wav_form
from airflow_polly_provider.request.dry_run import is_dry_run, validate_dry_run
from airflow_polly_provider.request.rendered import (
    settle_rendered,
    templates_in_items,
    templates_of,
    validate_rendered_items,
)
from airflow_polly_provider.request.template_file import validate_text_may_name_file
from airflow_polly_provider.request.validation import check_member
from airflow_polly_provider.results.delivery import failure_pushed, push_aws_connection, push_own_xcoms
from airflow_polly_provider.results.document import DOCUMENT_XCOM_KEYS, log_document
from airflow_polly_provider.results.lineage import openlineage_of, report_output
from airflow_polly_provider.start.current_run import current_run
from airflow_polly_provider.start.token import request_token, task_run
from airflow_polly_provider.wait.schedule import (
    DEFAULT_POKE_INTERVAL_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.places import DocumentPlaces
    from airflow_polly_provider.assembly.planning import Section
    from airflow_polly_provider.assembly.previous import PreviousFile
    from airflow_polly_provider.batch.run import BatchRun
    from airflow_polly_provider.captions.convert import CaptionFormat
    from airflow_polly_provider.captions.layout import CueLayout
    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.document.model import Document
    from airflow_polly_provider.request.literals import (
        JoinedOutputFormat,
        OutputContainer,
        Reuse,
        TextType,
    )

DEFAULT_MAX_PIECE_CHARACTERS = 10_000
DEFAULT_MAX_DOCUMENT_CHARACTERS = 5_000_000

_ITEM_DEFAULTS = (
    "output_s3_bucket_name",
    "voice_id",
    "output_format",
    "engine",
    "language_code",
    "lexicon_names",
    "sample_rate",
    "sns_topic_arn",
)


class PollySynthesizeDocumentOperator(PollyBatchWaitingOperator):
    """Turn a document of any length into one audio file with chapters, in one Airflow task.

    The operator cuts the document into pieces at paragraphs and sentences, synthesizes the pieces as a batch,
    waits with one deferral, and joins the audio exactly. A piece that did not change since the file was made
    is copied from the existing file, and costs nothing. ``return_value`` is a
    :class:`~airflow_polly_provider.results.document.DocumentXCom`; its fields are also pushed to XCom under
    their own keys.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html

    :param output_s3_bucket_name: name of the bucket of all objects; it must be in the region of the request
    :param output_s3_key: key of the audio file. Nothing appears there until the file is complete
    :param document: the document: a text; the name of a template file, or a path (``s3://bucket/key``, a
        path on the worker, or an ObjectStoragePath) that ends in ``.txt``, ``.md``, ``.html``, ``.epub`` or
        ``.ssml``. Headings become chapters
    :param turns: instead of ``document``, the turns of a dialogue: a list of mappings with ``voice_id`` and
        ``text``, and if needed ``text_type`` and ``pause``, the silence after the turn in seconds
    :param voice_id: name of the voice; needed with ``document``
    :param output_format: ``mp3`` (default), ``pcm``, ``mulaw`` or ``alaw``. Ogg files cannot be joined
    :param output_container: ``wav`` to write a WAV file, for pcm, mulaw and alaw; None (default) means no
        container. Any other value raises ValueError
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; if None, Polly uses ``standard``
    :param language_code: language such as ``en-IN``, for a bilingual voice
    :param lexicon_names: names of up to 5 pronunciation lexicons of this account and region
    :param sample_rate: sample rate in Hz; if None, Polly chooses the rate
    :param sns_topic_arn: ARN of an SNS topic that Polly notifies about each piece
    :param text_type: ``text`` or ``ssml``, if ``document`` is a text; if None, a text made with the SSML
        functions is SSML
    :param text_may_name_file: whether a string in ``document`` may be a path or the name of a template file;
        default True. Set it to False if the document is data from elsewhere. Any value other than True or
        False raises ValueError
    :param title: title for players; None for the title in the document
    :param author: author for players; None for the author in the document
    :param chapter_pause_seconds: silence between two chapters, and after a turn without
        ``pause``; default 1.0 seconds
    :param piece_pause_seconds: silence between two pieces of a chapter; default 0.0 seconds, because Polly's
        audio begins and ends with about half a second of silence
    :param max_piece_characters: maximum number of billed characters of a piece, 100 to 100,000; default
        10,000. With smaller pieces, an edit costs less, and more requests are sent
    :param max_document_characters: maximum number of characters to speak in the document; default 5,000,000
    :param reuse: ``unchanged`` (default): copy pieces that did not change from the existing file. ``never``:
        synthesize and pay for every piece
    :param keep_pieces: whether to keep the objects of the pieces after the file is complete; default False
    :param output_s3_key_prefix: start of the keys of the pieces. Default: below the key of the file, with
        ``.pieces/``
    :param manifest_s3_key: key of the document's manifest in the bucket. Default: the key of the file and
        ``.manifest.json``
    :param durable: whether to add a token to the key of each piece; default True. See the start operator
    :param captions: formats of captions to write beside the file: ``vtt``, ``srt`` and ``json`` (a transcript
        with the time of each word); None (default) for none. Polly bills the speech marks for them like
        speech, so a document with captions costs twice as much
    :param caption_layout: the size and the times of captions; None for the defaults of
        :class:`~airflow_polly_provider.captions.layout.CueLayout`
    :param max_request_characters: maximum number of characters to bill for the document, with speech marks
        and without unchanged pieces; None means no limit
    :param check_voice: whether to check with DescribeVoices that the region supports the voice, engine and
        language; default False
    :param dry_run: whether to only report what would be started and billed; default False. Give True, False
        or a template that renders to one of them. The operator keeps the value in the attribute
        ``only_estimate``
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta; default 30
        seconds
    :param timeout: maximum time to wait in each try after all pieces are started, in seconds or as a
        timedelta; default 72 hours, after which Polly no longer returns a synthesis task
    :raises PollyInvalidRequestError: the document or a parameter is invalid, or the existing file changed;
        nothing was billed
    :raises PollyBatchError: pieces failed; a retry starts only these
    :raises PollyWaitTimeoutError: the timeout passed; a retry continues to wait

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    operator_extra_links = SPEECH_TASK_LINKS
    template_fields: Sequence[str] = aws_template_fields(
        "document",
        "turns",
        "output_s3_bucket_name",
        "output_s3_key",
        "voice_id",
        "output_format",
        "engine",
        "language_code",
        "lexicon_names",
        "sample_rate",
        "sns_topic_arn",
        "text_type",
        "title",
        "author",
        "output_s3_key_prefix",
        "manifest_s3_key",
        "only_estimate",
    )
    output_uri: str | None = None
    """``OutputUri`` if this process knows it. Airflow builds the extra links from it while the task runs."""
    has_audio_in_s3 = False
    """Whether this process has delivered the file. Airflow builds the link to the tab from it."""
    _output: Mapping[str, Any] | None = None
    """The result whose file was written, for OpenLineage."""

    def __init__(
        self,
        *,
        output_s3_bucket_name: str | XComArg,
        output_s3_key: str | XComArg,
        document: str | ObjectStoragePath | XComArg | None = None,
        turns: Sequence[Mapping[str, Any]] | XComArg | None = None,
        voice_id: str | XComArg | None = None,
        output_format: JoinedOutputFormat | XComArg = "mp3",
        output_container: OutputContainer | None = None,
        engine: str | XComArg | None = None,
        language_code: str | XComArg | None = None,
        lexicon_names: Sequence[str | XComArg] | XComArg | None = None,
        sample_rate: str | int | XComArg | None = None,
        sns_topic_arn: str | XComArg | None = None,
        text_type: TextType | XComArg | None = None,
        text_may_name_file: bool = True,
        title: str | XComArg | None = None,
        author: str | XComArg | None = None,
        chapter_pause_seconds: float = 1.0,
        piece_pause_seconds: float = 0.0,
        max_piece_characters: int = DEFAULT_MAX_PIECE_CHARACTERS,
        max_document_characters: int = DEFAULT_MAX_DOCUMENT_CHARACTERS,
        reuse: Reuse = "unchanged",
        keep_pieces: bool = False,
        output_s3_key_prefix: str | XComArg | None = None,
        manifest_s3_key: str | XComArg | None = None,
        durable: bool = True,
        captions: Sequence[CaptionFormat] | None = None,
        caption_layout: CueLayout | None = None,
        max_request_characters: int | None = None,
        check_voice: bool = False,
        dry_run: bool | str = False,
        deferrable: bool | None = None,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, poke_interval=poke_interval, timeout=timeout, **kwargs)
        if (document is None) == (turns is None):
            raise ValueError("Give either document or turns.")
        # Any: the types of templated fields are known only after Airflow has rendered them.
        self.document: Any = document
        self.turns: Any = turns
        self.output_s3_bucket_name: Any = output_s3_bucket_name
        self.output_s3_key: Any = output_s3_key
        self.voice_id: Any = voice_id
        self.output_format: Any = output_format
        self.output_container = validate_output_container(output_container)
        self.engine: Any = engine
        self.language_code: Any = language_code
        self.lexicon_names: Any = lexicon_names
        self.sample_rate: Any = sample_rate
        self.sns_topic_arn: Any = sns_topic_arn
        self.text_type: Any = text_type
        self.text_may_name_file = validate_text_may_name_file(text_may_name_file)
        self.title: Any = title
        self.author: Any = author
        self.chapter_pause_seconds = validate_pause(chapter_pause_seconds, "chapter_pause_seconds")
        self.piece_pause_seconds = validate_pause(piece_pause_seconds, "piece_pause_seconds")
        self.max_piece_characters = validate_piece_size(max_piece_characters)
        self.max_document_characters = validate_document_size(max_document_characters)
        self.reuse = validate_reuse(reuse)
        self.keep_pieces = keep_pieces
        self.output_s3_key_prefix: Any = output_s3_key_prefix
        self.manifest_s3_key: Any = manifest_s3_key
        self._has_turns = turns is not None
        self.durable = durable
        self.captions = captions_record(captions, caption_layout)
        self.max_request_characters = validate_max_request_characters(max_request_characters)
        self.check_voice = check_voice
        # BaseOperator has a method dry_run, so the attribute has another name.
        self.only_estimate: Any = validate_dry_run(dry_run)
        self._templates = templates_of(self)
        self._templates_in_turns = templates_in_items(turns)

    def execute(self, context: Context) -> dict[str, Any]:
        """Synthesize what changed, wait, join the file, and return the result of the document."""
        with failure_pushed(self, context):
            return self._speak(context)

    def _speak(self, context: Context) -> dict[str, Any]:
        dry_run = is_dry_run(self.only_estimate)
        settle_rendered(self, self._templates, context)
        validate_rendered_items(self.turns, self._templates_in_turns, parameter="turns")
        validate_joinable(str(self.output_format))
        validate_engine_of_captions(self.captions, self.engine)
        document = self._read(context)
        settings = self._settings(context)
        run = DocumentRun(settings)
        requests = self._requests(settings.places)
        previous = run.earlier.previous_file(reuse=self.reuse, dry_run=dry_run)
        sections = section_of_turns(document) if self._has_turns else sections_of(document)
        planned = planned_pieces(sections, self._rules(requests, sections, previous))
        file = self._file_properties(document, requests.of(sections[0].passages[0]))
        manifest = run.plan(planned, file, previous)
        run.earlier.validate_previous(manifest, previous)
        if previous is not None and not dry_run and manifest.has_content_of(previous.manifest):
            return self._deliver_existing(context, run, previous)
        items = requests.items(self, context, manifest, planned.requests, durable=self.durable)
        validate_characters_to_bill(self.max_request_characters, manifest)
        validate_wav_size(manifest)
        if self.check_voice:
            validate_voices_of_pieces(self.hook, items, manifest)
        if dry_run:
            return self._report(context, manifest)
        run.begin(manifest)
        if not items:
            return self._join(context, run, manifest, None)
        # With reuse="never", a task that is cleared after it has delivered its file starts everything again.
        keeps_delivered = not (self.reuse == "never" and run.earlier.is_delivered)
        with begin(settings.for_batch(keeps_delivered=keeps_delivered), items) as batch:
            batch.look_back()
            batch.start()
            must_defer = self._must_defer(batch)
            if not must_defer:
                self._wait_in_worker(batch)
        if must_defer:
            self._defer(context, batch, settings.places.batch_manifest.uri)
        return self._join(context, run, manifest, batch)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume the task after its trigger fired, and join the file.

        :param context: the running task's context
        :param event: the payload of the trigger's event
        """
        with failure_pushed(self, context):
            return self._resume(context, event)

    def _resume(self, context: Context, event: dict[str, Any] | None) -> dict[str, Any]:
        # Templated keys may be rendered as numbers again.
        settle_rendered(self, self._templates, context)
        outcome = self._outcome_of(event)
        settings = self._settings(context)
        run = DocumentRun(settings)
        manifest = run.resume()
        with resume(settings.for_batch(), outcome.manifest_etag) as batch:
            batch.finish()
        return self._join(context, run, manifest, batch)

    def _read(self, context: Context) -> Document:
        if self._has_turns:
            return validate_length(read_turns(self.turns), max_characters=self.max_document_characters)
        return read_source(
            self,
            self.document,
            self.text_type,
            context,
            may_name_file=self.text_may_name_file,
            hook_parameters=self._hook_parameters,
            max_characters=self.max_document_characters,
        )

    def _settings(self, context: Context) -> DocumentSettings:
        check_member("OutputS3BucketName", self.output_s3_bucket_name)
        run_id = run_id_of(context["ti"])
        s3 = S3Access(self._hook_parameters, max_pool_connections=THREADS)
        s3.prepare()
        return DocumentSettings(
            hook=self.hook,
            s3=s3,
            s3_parameters=self._hook_parameters,
            places=document_places(
                self.output_s3_bucket_name,
                self.output_s3_key,
                manifest_key=None if self.manifest_s3_key is None else str(self.manifest_s3_key),
                prefix=None if self.output_s3_key_prefix is None else str(self.output_s3_key_prefix),
                run_id=run_id,
            ),
            run_id=run_id,
            run_token=request_token(task_run(context["ti"]), "document"),
            run=current_run(context),
            durable=self.durable,
        )

    def _requests(self, places: DocumentPlaces) -> PieceRequests:
        values = {name: getattr(self, name) for name in _ITEM_DEFAULTS}
        return PieceRequests({**values, "output_s3_key_prefix": places.prefix})

    def _rules(
        self, requests: PieceRequests, sections: Sequence[Section], previous: PreviousFile | None
    ) -> PieceRules:
        names = requests.of(sections[0].passages[0]).get("LexiconNames", ())
        return PieceRules(
            request_of=requests.of,
            # The content of a lexicon can change under the same name.
            lexicons={name: self.hook.get_lexicon(name)["Lexicon"]["Content"] for name in names},
            marks_request_of=None if self.captions is None else requests.marks_of,
            max_characters=self.max_piece_characters,
            piece_pause_seconds=self.piece_pause_seconds,
            chapter_pause_seconds=self.chapter_pause_seconds,
            known=() if previous is None else previous.known_pieces(),
        )

    def _file_properties(self, document: Document, request: Mapping[str, Any]) -> FileProperties:
        wav_form(self.output_container, request)
        rate = request.get("SampleRate")
        return FileProperties(
            output_format=request["OutputFormat"],
            sample_rate=None if rate is None else int(rate),
            container=self.output_container,
            title=document.title if self.title is None else str(self.title),
            author=document.author if self.author is None else str(self.author),
            language=self.language_code or document.language,
            captions=self.captions,
        )

    def _report(self, context: Context, manifest: DocumentManifest) -> dict[str, Any]:
        """End a dry run: report what would be started, and what Polly would bill."""
        value = document_estimate(manifest, engine=self.engine)
        # Airflow emits an event for each asset in outlets when the task succeeds. A dry run writes no asset.
        self.outlets = []
        log_document(value)
        push_own_xcoms(self, context, value, DOCUMENT_XCOM_KEYS)
        return value

    def _deliver_existing(self, context: Context, run: DocumentRun, previous: PreviousFile) -> dict[str, Any]:
        """Deliver the file that an earlier run made from the same document, or an earlier try of this run."""
        run.restore_captions(previous.manifest)
        if previous.is_of_this_run:
            return self._deliver(context, run, previous.manifest)
        self.log.info("The document has not changed, so %s is up to date", run.settings.places.output.uri)
        return self._deliver(context, run, previous.manifest, unchanged=True)

    def _join(
        self, context: Context, run: DocumentRun, manifest: DocumentManifest, batch: BatchRun | None
    ) -> dict[str, Any]:
        """Join the pieces and deliver the file, unless pieces failed or are still running."""
        records = [] if batch is None else batch.manifest.records
        if failed := failed_items(records):
            raise PollyBatchError(
                f"{len(failed):,} of {len(records):,} synthesis tasks of the document failed. A retry, or "
                "the task after it is cleared, starts only the failed ones:\n"
                f"{failed_pieces(manifest, failed)}"
            )
        if batch is not None:
            self._require_all_ended(batch)
        run.join(manifest, records)
        return self._deliver(context, run, manifest)

    def _deliver(
        self, context: Context, run: DocumentRun, manifest: DocumentManifest, *, unchanged: bool = False
    ) -> dict[str, Any]:
        """Push the XComs of the document, report its file, and remove what is no longer needed."""
        value = document_result(
            manifest,
            run.settings.places,
            request={
                "VoiceId": self.voice_id,
                "Engine": self.engine,
                "LanguageCode": self.language_code,
                "OutputFormat": self.output_format,
            },
            unchanged=unchanged,
        )
        self.output_uri = value.get("OutputUri")
        log_document(value)
        self.has_audio_in_s3 = True
        push_own_xcoms(self, context, value, DOCUMENT_XCOM_KEYS)
        push_aws_connection(self, context, value)
        self._output = report_output(self, context, value, written=not unchanged)
        run.clean_up(manifest, keep_pieces=self.keep_pieces)
        return value

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the file as an OpenLineage output dataset. OpenLineage's listener calls it in the worker.

        :param task_instance: the task instance; not used
        """
        return openlineage_of(self._output)
