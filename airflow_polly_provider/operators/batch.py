"""The operator that speaks many texts in one Airflow task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import aws_template_fields
from airflow_polly_provider.aws.s3 import S3Location, parse_output_uri, validate_key
from airflow_polly_provider.batch.checks import (
    lexicon_names_of,
    validate_output_keys,
    validate_total,
    validate_voices,
)
from airflow_polly_provider.batch.finishing import THREADS
from airflow_polly_provider.batch.identity import default_manifest_key, run_id_of
from airflow_polly_provider.batch.items import read_items
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.batch.report import (
    batch_result,
    estimate_result,
    failed_items,
    failure_lines,
    output_s3_uris,
)
from airflow_polly_provider.batch.run import BatchSettings, begin, resume
from airflow_polly_provider.exceptions import PollyBatchError
from airflow_polly_provider.hooks.lexicon_check import validate_lexicons
from airflow_polly_provider.links.polly import BATCH_LINKS
from airflow_polly_provider.operators.batch_base import PollyBatchWaitingOperator
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.request.billing import validate_max_request_characters
from airflow_polly_provider.request.container import validate_output_container
from airflow_polly_provider.request.dry_run import is_dry_run, validate_dry_run
from airflow_polly_provider.request.rendered import (
    settle_rendered,
    templates_in_items,
    templates_of,
    validate_rendered_items,
)
from airflow_polly_provider.request.template_file import validate_text_may_name_file
from airflow_polly_provider.request.validation import check_member
from airflow_polly_provider.results.batch import BATCH_XCOM_KEYS, log_batch
from airflow_polly_provider.results.delivery import failure_pushed, push_aws_connection, push_own_xcoms
from airflow_polly_provider.results.lineage import batch_openlineage_of, report_batch
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

    from airflow_polly_provider.batch.run import BatchRun
    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.request.literals import (
        OnItemFailure,
        OutputContainer,
        OutputFormat,
        SpeechMarkType,
        TextType,
    )

_ITEM_DEFAULTS = (
    "output_s3_bucket_name",
    "voice_id",
    "output_format",
    "output_s3_key_prefix",
    "keep_original",
    "output_container",
    "skip_if_unchanged",
    "engine",
    "language_code",
    "lexicon_names",
    "sample_rate",
    "sns_topic_arn",
    "speech_mark_types",
    "text_type",
    "max_request_characters",
)


class PollySynthesizeBatchOperator(PollyBatchWaitingOperator):
    """Synthesize any number of texts in one Airflow task, and wait for all of them with one deferral.

    The operator checks all items, starts their synthesis tasks at the rate of AWS's quotas, waits until they
    have ended, and records every item in a manifest, a JSON object in S3. A retry starts, and pays for, only
    the items that are missing or failed. ``return_value`` is a
    :class:`~airflow_polly_provider.results.batch.BatchXCom`; its fields are also pushed to XCom under their
    own keys.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html

    :param items: the texts: a list of mappings, the output of an upstream task, a template that renders to
        such a list, or the path of a ``.json``, ``.jsonl`` or ``.csv`` file (a string or an
        ObjectStoragePath). Each item has ``text``. It may have an ``id`` (default: its position, from 0), an
        ``output_s3_key``, and any of the parameters ``voice_id``, ``output_format``,
        ``output_s3_bucket_name``, ``output_s3_key_prefix``, ``engine``, ``language_code``,
        ``lexicon_names``, ``sample_rate``, ``sns_topic_arn``, ``speech_mark_types``, ``text_type``,
        ``keep_original``, ``output_container``, ``skip_if_unchanged`` and ``max_request_characters``. A
        parameter that an item lacks has the operator's value
    :param output_s3_bucket_name: name of the bucket that Polly writes to, and of the manifest's bucket; it
        must be in the region of the request
    :param voice_id: name of the voice; may be left out if every item has one
    :param output_format: ``mp3`` (default), ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or
        ``json`` for speech marks
    :param output_s3_key_prefix: start of the objects' keys; see the start operator. Default: no prefix
    :param keep_original: whether to keep Polly's original object after the copy to an item's
        ``output_s3_key``; default False
    :param output_container: ``wav`` to write WAV files to the items' ``output_s3_key``; None (default) means
        no container. Any other value raises ValueError
    :param skip_if_unchanged: whether to skip items, and pay nothing for them, if the existing object at
        their ``output_s3_key`` was made from the same speech parameters; default False
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; if None, Polly uses ``standard``
    :param language_code: language such as ``en-IN``, for a bilingual voice
    :param lexicon_names: names of up to 5 pronunciation lexicons of this account and region
    :param sample_rate: sample rate in Hz; if None, Polly chooses the rate
    :param sns_topic_arn: ARN of an SNS topic that Polly notifies when a synthesis task completes or fails
    :param speech_mark_types: list of ``sentence``, ``ssml``, ``viseme`` and ``word``; requires
        ``output_format="json"``
    :param text_type: ``text`` or ``ssml``; if None, a text made with the SSML functions is SSML
    :param text_may_name_file: whether an item's ``text`` may be the name of a template file; default False,
        because items are often data from elsewhere. Any value other than True or False raises ValueError
    :param durable: whether to add a token to each object's key; default True. A retry then also finds the
        synthesis tasks that were started after the manifest was last written. Requires the permission
        ``polly:ListSpeechSynthesisTasks``
    :param max_request_characters: maximum number of billed characters of each item; None means no limit
    :param max_total_request_characters: maximum number of billed characters of the whole batch, without
        unchanged items; None means no limit
    :param check_voice: whether to check with DescribeVoices that the region supports the voice, engine and
        language of each item that is started; default False
    :param dry_run: whether to only check the items and report what would be started and billed; default
        False. Give True, False or a template that renders to one of them. The operator keeps the value in
        the attribute ``only_estimate``
    :param manifest_s3_key: key of the manifest in the bucket. Default: a key next to the objects, below the
        folder of ``output_s3_key_prefix``. Two runs must not use the same key at the same time
    :param on_item_failure: ``fail`` (default): after all other items are delivered, fail the Airflow task if
        an item failed. ``continue``: log the failed items, and succeed
    :param wait_for_completion: whether to wait until all synthesis tasks have ended; default True
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta; default 30
        seconds
    :param timeout: maximum time to wait in each try after all items are started, in seconds or as a
        timedelta; default 72 hours, after which Polly no longer returns a synthesis task
    :raises PollyInvalidRequestError: items are invalid; the error lists them, and nothing was sent
    :raises PollyBatchError: items failed; a retry starts only these
    :raises PollyWaitTimeoutError: the timeout passed; a retry continues to wait

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    operator_extra_links = BATCH_LINKS
    template_fields: Sequence[str] = aws_template_fields(
        "items",
        "output_s3_bucket_name",
        "voice_id",
        "output_format",
        "output_s3_key_prefix",
        "engine",
        "language_code",
        "lexicon_names",
        "sample_rate",
        "sns_topic_arn",
        "speech_mark_types",
        "text_type",
        "manifest_s3_key",
        "only_estimate",
    )
    output_uri: str | None = None
    """The manifest's https address if this process knows it. Airflow builds the extra links from it."""
    has_audio_in_s3 = False
    """Whether this process has delivered items. Airflow builds the link to the tab from it."""
    _written: Sequence[str] = ()
    """The manifest and the objects that the batch wrote, for OpenLineage."""

    def __init__(
        self,
        *,
        items: Sequence[Mapping[str, Any]] | XComArg | ObjectStoragePath | str,
        output_s3_bucket_name: str | XComArg,
        voice_id: str | XComArg | None = None,
        output_format: OutputFormat | XComArg = "mp3",
        output_s3_key_prefix: str | XComArg | None = None,
        keep_original: bool = False,
        output_container: OutputContainer | None = None,
        skip_if_unchanged: bool = False,
        engine: str | XComArg | None = None,
        language_code: str | XComArg | None = None,
        lexicon_names: Sequence[str | XComArg] | XComArg | None = None,
        sample_rate: str | int | XComArg | None = None,
        sns_topic_arn: str | XComArg | None = None,
        speech_mark_types: Sequence[SpeechMarkType] | XComArg | None = None,
        text_type: TextType | XComArg | None = None,
        text_may_name_file: bool = False,
        durable: bool = True,
        max_request_characters: int | None = None,
        max_total_request_characters: int | None = None,
        check_voice: bool = False,
        dry_run: bool | str = False,
        manifest_s3_key: str | XComArg | None = None,
        on_item_failure: OnItemFailure = "fail",
        wait_for_completion: bool = True,
        deferrable: bool | None = None,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            # A task that does not wait is never deferred.
            deferrable=deferrable if wait_for_completion else False,
            poke_interval=poke_interval,
            timeout=timeout,
            **kwargs,
        )
        self.wait_for_completion = wait_for_completion
        # Any: the types of templated fields are known only after Airflow has rendered them.
        self.items: Any = items
        self.output_s3_bucket_name: Any = output_s3_bucket_name
        self.voice_id: Any = voice_id
        self.output_format: Any = output_format
        self.output_s3_key_prefix: Any = output_s3_key_prefix
        self.keep_original = keep_original
        self.output_container = validate_output_container(output_container)
        self.skip_if_unchanged = skip_if_unchanged
        self.engine: Any = engine
        self.language_code: Any = language_code
        self.lexicon_names: Any = lexicon_names
        self.sample_rate: Any = sample_rate
        self.sns_topic_arn: Any = sns_topic_arn
        self.speech_mark_types: Any = speech_mark_types
        self.text_type: Any = text_type
        self.text_may_name_file = validate_text_may_name_file(text_may_name_file)
        self.durable = durable
        self.max_request_characters = validate_max_request_characters(max_request_characters)
        self.max_total_request_characters = validate_max_request_characters(
            max_total_request_characters, parameter="max_total_request_characters"
        )
        self.check_voice = check_voice
        # BaseOperator has a method dry_run, so the attribute has another name.
        self.only_estimate: Any = validate_dry_run(dry_run)
        self.manifest_s3_key: Any = manifest_s3_key
        # The rendered value is checked in execute. A template without a value is an error there.
        self._has_manifest_key = manifest_s3_key is not None
        if on_item_failure not in ("fail", "continue"):
            raise ValueError(f"on_item_failure must be 'fail' or 'continue', not {on_item_failure!r:.100}.")
        self.on_item_failure = on_item_failure
        self._templates = templates_of(self)
        self._templates_in_items = templates_in_items(items)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the items, wait if requested, and return the result of the batch."""
        with failure_pushed(self, context):
            return self._speak(context)

    def _speak(self, context: Context) -> dict[str, Any]:
        dry_run = is_dry_run(self.only_estimate)
        settle_rendered(self, self._templates, context)
        validate_rendered_items(self.items, self._templates_in_items)
        items = read_items(
            self,
            self.items,
            context,
            defaults={name: getattr(self, name) for name in _ITEM_DEFAULTS},
            durable=self.durable,
            text_may_name_file=self.text_may_name_file,
            hook_parameters=self._hook_parameters,
        )
        manifest = self._manifest_location(context)
        validate_output_keys(items, manifest, wait_for_completion=self.wait_for_completion)
        with begin(self._settings(context, manifest), items) as run:
            run.look_back(dry_run=dry_run)
            validate_total(self.max_total_request_characters, run.manifest.records)
            if self.check_voice and (jobs := run.to_start):
                validate_voices(self.hook, [job.item for job in jobs])
            if dry_run:
                return self._report(context, run)
            run.start(waits=self.wait_for_completion)
            must_defer = self._must_defer(run)
            if self.wait_for_completion and not must_defer:
                self._wait_in_worker(run)
        if must_defer:
            self._defer(context, run, manifest.uri)
        return self._deliver(context, run, manifest)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume the task after its trigger fired, and deliver the items.

        :param context: the running task's context
        :param event: the payload of the trigger's event
        """
        with failure_pushed(self, context):
            outcome = self._outcome_of(event)
            manifest = parse_output_uri(outcome.manifest_s3_uri)
            with resume(self._settings(context, manifest), outcome.manifest_etag) as run:
                run.finish()
                return self._deliver(context, run, manifest)

    def _manifest_location(self, context: Context) -> S3Location:
        key = default_manifest_key(run_id_of(context["ti"]), self.output_s3_key_prefix)
        if self._has_manifest_key:
            key = validate_key(str(self.manifest_s3_key), parameter="manifest_s3_key")
        check_member("OutputS3BucketName", self.output_s3_bucket_name)
        return S3Location(self.output_s3_bucket_name, key)

    def _settings(self, context: Context, manifest: S3Location) -> BatchSettings:
        s3 = S3Access(self._hook_parameters, max_pool_connections=THREADS)
        return BatchSettings(
            hook=self.hook,
            s3=s3,
            s3_parameters=self._hook_parameters,
            store=ManifestStore(lambda: s3.client, manifest),
            run_id=run_id_of(context["ti"]),
            run_token=request_token(task_run(context["ti"]), "batch"),
            run=current_run(context),
            durable=self.durable,
        )

    def _report(self, context: Context, run: BatchRun) -> dict[str, Any]:
        """End a dry run: report what would be started, and what Polly would bill."""
        validate_lexicons(self.hook, lexicon_names_of(job.item.request for job in run.to_start))
        value = estimate_result(run.manifest.records)
        # Airflow emits an event for each asset in outlets when the task succeeds. A dry run writes no asset.
        self.outlets = []
        self.log.info("Dry run: %d items would be started", len(run.to_start))
        log_batch(value)
        push_own_xcoms(self, context, value, BATCH_XCOM_KEYS)
        return value

    def _deliver(self, context: Context, run: BatchRun, manifest: S3Location) -> dict[str, Any]:
        """Push the XComs of the batch, report its objects, and fail the task if items failed."""
        records = run.manifest.records
        value = batch_result(records, manifest)
        self.output_uri = value.get("ManifestUri")
        log_batch(value)
        push_own_xcoms(self, context, value, BATCH_XCOM_KEYS)
        self.has_audio_in_s3 = True
        push_aws_connection(self, context, value)
        written = output_s3_uris(records)
        report_batch(self, context, value, written)
        self._written = [manifest.uri, *written]
        failed = failed_items(records)
        if failed and self.on_item_failure == "fail":
            raise PollyBatchError(
                f"{len(failed):,} of {len(records):,} items failed. The others are delivered. A retry, or "
                f"the task after it is cleared, starts only the failed ones:\n{failure_lines(failed)}"
            )
        self._require_all_ended(run)
        if failed:
            self.log.warning("%d items failed:\n%s", len(failed), failure_lines(failed))
        return value

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the objects as OpenLineage output datasets. OpenLineage's listener calls it in the worker.

        :param task_instance: the task instance; not used
        """
        return batch_openlineage_of(self._written)
