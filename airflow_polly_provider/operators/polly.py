"""Operators for Polly's speech synthesis."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import aws_template_fields
from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.operators.dry_run import report_dry_run
from airflow_polly_provider.operators.get import PollyGetSpeechSynthesisTaskOperator
from airflow_polly_provider.operators.synthesize import PollySynthesizeSpeechOperator
from airflow_polly_provider.output.custom_key import validate_custom_key_settings
from airflow_polly_provider.output.placement import OutputPlacement, output_exists
from airflow_polly_provider.output.provenance import OutputPlan, output_plan, validate_output_key
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.request.billing import (
    account_for,
    validate_billed_characters,
    validate_max_request_characters,
)
from airflow_polly_provider.request.container import validate_output_container, wav_form
from airflow_polly_provider.request.dry_run import is_dry_run, validate_dry_run
from airflow_polly_provider.request.rendered import settle_rendered, templates_of
from airflow_polly_provider.request.template_file import spoken_text, validate_text_may_name_file
from airflow_polly_provider.request.validation import build_request
from airflow_polly_provider.request.voices import validate_voice
from airflow_polly_provider.results.delivery import failure_pushed, push_status
from airflow_polly_provider.results.synthesis_task import to_xcom_value
from airflow_polly_provider.start.attempt_store import AttemptStore
from airflow_polly_provider.start.current_run import current_run
from airflow_polly_provider.start.durable import Started, start_once
from airflow_polly_provider.start.retry import start_until_accepted
from airflow_polly_provider.start.token import prefix_with_token, request_digest, request_token, task_run
from airflow_polly_provider.triggers.events import extra_xcom_of, for_resume_of, synthesis_task_of
from airflow_polly_provider.wait.schedule import DEFAULT_POKE_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.compat import Context, XComArg
    from airflow_polly_provider.request.literals import (
        OutputContainer,
        OutputFormat,
        SpeechMarkType,
        TextType,
    )
    from airflow_polly_provider.text.markup import Ssml

__all__ = [
    "PollyGetSpeechSynthesisTaskOperator",
    "PollyStartSpeechSynthesisTaskOperator",
    "PollySynthesizeSpeechOperator",
]


_DIGEST = "RequestDigest"


class PollyStartSpeechSynthesisTaskOperator(PollyWaitingOperator):
    """Synthesize a text to an S3 object, and push ``OutputUri`` and ``RequestCharacters`` for later tasks.

    Starts a Polly synthesis task and, by default, waits until it completes. ``return_value`` is the
    SynthesisTask with AWS's own key names, plus ``OutputS3Uri`` and ``RequestDigest``, a hash of the request.
    The task also pushes ``TaskId``, ``TaskStatus``, ``OutputUri``, ``OutputS3Uri``, ``RequestCharacters``,
    ``SpokenCharacters`` and, for completed audio, ``DurationSeconds`` to XCom under their own keys. The
    operator never writes the text to a log or to XCom, but Airflow stores rendered template fields, including
    ``text``.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html

    :param text: the text or SSML to speak, up to 100,000 billed and 200,000 total characters; or the name of
        a ``.txt``, ``.ssml`` or ``.xml`` template file, which Airflow searches for and renders like any
        template file. A string that contains white space is always text
    :param output_s3_bucket_name: name of the bucket that Polly writes to; it must be in the region of the
        request
    :param voice_id: name of the voice, such as ``Joanna``
    :param output_format: ``mp3`` (default), ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or
        ``json`` for speech marks
    :param output_s3_key_prefix: start of the object's key. With ``durable``, the operator appends a token;
        Polly then appends its TaskId. Default: no prefix
    :param output_s3_key: key in the output bucket for the finished object, instead of the key that Polly
        generates. After Polly has written the object, the operator copies it to this key, replacing an
        existing object, and deletes the original. Requires ``wait_for_completion`` and is invalid with
        ``end_from_trigger``. Before anything is sent, the operator rejects a key that is empty, ends in
        ``/``, has more than 1,024 bytes, is an ``s3://`` URI or could be one of Polly's own keys
    :param keep_original: whether to keep Polly's original object after the copy to ``output_s3_key``; default
        False. Requires ``output_s3_key``
    :param output_container: ``wav`` to write a WAV file to ``output_s3_key``, instead of the raw samples that
        Polly writes. Requires ``output_s3_key``, and ``output_format`` ``pcm``, ``mulaw`` or ``alaw``. None
        (default) means no container. Any other value raises ValueError
    :param skip_if_unchanged: whether to skip the synthesis, and pay nothing, if the existing object at
        ``output_s3_key`` was made from the same text, voice, lexicons and other speech parameters; default
        False. Requires ``output_s3_key``
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; if None, Polly uses ``standard``
    :param language_code: language such as ``en-IN``, for a bilingual voice; if None, Polly uses the default
        language of the voice
    :param lexicon_names: names of up to 5 pronunciation lexicons of this account and region
    :param sample_rate: sample rate in Hz. The valid rates depend on the format; see
        :data:`~airflow_polly_provider.request.rules.SAMPLE_RATES`. If None, Polly chooses the rate
    :param sns_topic_arn: ARN of an SNS topic that Polly notifies when the synthesis task completes or fails
    :param speech_mark_types: list of ``sentence``, ``ssml``, ``viseme`` and ``word``; requires
        ``output_format="json"``
    :param text_type: ``text`` or ``ssml``. If None, a text made with the SSML functions is SSML, an ``.ssml``
        file is SSML, and any other text is plain text
    :param text_may_name_file: whether ``text`` may be the name of a template file; default True. If the
        text comes from an untrusted source, use False: it is then always spoken and never read as a file
        name. Any value other than True or False raises ValueError
    :param durable: whether to add a token to the object's key; default True. If a response was lost or an
        earlier try died, the operator finds the existing synthesis task by its token instead of starting, and
        paying for, a second one. Requires the permission ``polly:ListSpeechSynthesisTasks``. With False, the
        prefix is used unchanged, and each try starts and pays for a new synthesis task
    :param max_request_characters: maximum number of billed characters, a whole number above 0 (otherwise
        ValueError). The operator rejects a longer text before anything is sent. None means no limit
    :param check_voice: whether to check with DescribeVoices, before the request is sent, that the region
        supports this combination of voice, engine and language; default False. If the check fails, the error
        lists valid alternatives. Requires the permission ``polly:DescribeVoices``
    :param dry_run: whether to only check the request and report what Polly would bill, as a
        :class:`~airflow_polly_provider.results.estimate.SpeechEstimate` in ``return_value``; default False.
        Give True, False or a template that renders to one of them. A dry run sends only free requests, writes
        nothing and causes no asset event. The operator keeps the value in the attribute ``only_estimate``
    :param wait_for_completion: whether to wait until the synthesis task completes; default True. If the
        synthesis task fails, the Airflow task fails, and a retry starts a new synthesis task
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param end_from_trigger: whether to end the Airflow task in the triggerer, without a worker, when the
        synthesis task completes; default False. The triggerer then pushes the XComs. Requires ``deferrable``
        and Airflow 3.3+. Success callbacks and listeners then do not run, and no asset event is created
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta; default 30
        seconds. The first interval is 2 seconds, and later ones grow to this maximum
    :param timeout: maximum time to wait in each try, in seconds or as a timedelta, counted from Polly's first
        response in the try; default 72 hours, after which Polly no longer returns the synthesis task
    :raises PollyInvalidRequestError: the request is invalid; never retried
    :raises PollySynthesisTaskFailedError: Polly reports TaskStatus ``failed``
    :raises PollyWaitTimeoutError: the timeout passed
    :raises PollyOutputObjectError: the audio was synthesized, but could not be copied to ``output_s3_key``

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    template_fields: Sequence[str] = aws_template_fields(
        "text",
        "output_s3_bucket_name",
        "voice_id",
        "output_format",
        "output_s3_key",
        "output_s3_key_prefix",
        "engine",
        "language_code",
        "lexicon_names",
        "sample_rate",
        "sns_topic_arn",
        "speech_mark_types",
        "text_type",
        "only_estimate",
    )
    failed_is_final = False

    def __init__(
        self,
        *,
        text: str | Ssml | XComArg,
        output_s3_bucket_name: str | XComArg,
        voice_id: str | XComArg,
        output_format: OutputFormat | XComArg = "mp3",
        output_s3_key_prefix: str | XComArg | None = None,
        output_s3_key: str | XComArg | None = None,
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
        text_may_name_file: bool = True,
        durable: bool = True,
        max_request_characters: int | None = None,
        check_voice: bool = False,
        dry_run: bool | str = False,
        wait_for_completion: bool = True,
        deferrable: bool | None = None,
        end_from_trigger: bool = False,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            end_from_trigger=end_from_trigger,
            poke_interval=poke_interval,
            timeout=timeout,
            **kwargs,
        )
        validate_custom_key_settings(
            output_s3_key,
            keep_original=keep_original,
            output_container=validate_output_container(output_container),
            skip_if_unchanged=skip_if_unchanged,
            wait_for_completion=wait_for_completion,
            end_from_trigger=end_from_trigger,
        )
        # Any: the types of templated fields are known only after Airflow has rendered them.
        self.text: Any = text
        self.output_s3_bucket_name: Any = output_s3_bucket_name
        self.voice_id: Any = voice_id
        self.output_format: Any = output_format
        self.output_s3_key_prefix: Any = output_s3_key_prefix
        self.output_s3_key: Any = output_s3_key
        # The rendered value is checked in execute. If a template is rendered as None, execute raises an error
        # and does not skip the copy.
        self._has_output_key = output_s3_key is not None
        self.keep_original = keep_original
        self.output_container = output_container
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
        self.check_voice = check_voice
        # BaseOperator has a method dry_run, so the attribute has another name.
        self.only_estimate: Any = validate_dry_run(dry_run)
        self._templates = templates_of(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the synthesis task, wait if requested, and return its XCom form."""
        with failure_pushed(self, context):
            return self._speak(context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume the task after its trigger fired, and copy the object to ``output_s3_key``.

        :param context: the running task's context
        :param event: the payload of the trigger's event
        """
        for_resume = for_resume_of(event)
        with failure_pushed(self, context):
            synthesis_task = self._completed(synthesis_task_of(event))
            if for_resume is not None:
                push_status(self, context, synthesis_task)
                plan = OutputPlan.from_stored(for_resume)
                synthesis_task = self._placement(context, plan).put(synthesis_task)
            return self._deliver_speech(context, synthesis_task, extra_xcom_of(event))

    def _speak(self, context: Context) -> dict[str, Any]:
        dry_run = is_dry_run(self.only_estimate)
        settle_rendered(self, self._templates, context)
        request = self._build_request(*self._text_and_type(context))
        wav = wav_form(self.output_container, request)
        validate_billed_characters(self.max_request_characters, request)
        if self.check_voice:
            validate_voice(self.hook.voices(), request, self.hook.asked_region)
        digest = request_digest(request, self.output_container)
        self.log.info("Request digest %s", digest)
        attempts = self._attempts(context, digest)
        if self.durable:
            request["OutputS3KeyPrefix"] = prefix_with_token(request.get("OutputS3KeyPrefix"), attempts.token)
        plan = self._output_plan(request, attempts.token, wav)
        placement = None if plan is None else self._placement(context, plan)
        if dry_run:
            return self._report(context, request, placement)
        extra_xcom = {_DIGEST: digest}
        if placement is not None and (made := self._reuse(placement, request)) is not None:
            return self._deliver_speech(context, made, extra_xcom)
        synthesis_task = self._start(context, request, attempts, placement)
        if self.wait_for_completion:
            for_resume = None if plan is None else plan.stored()
            synthesis_task = self._wait(context, synthesis_task, extra_xcom=extra_xcom, for_resume=for_resume)
        if placement is not None:
            push_status(self, context, synthesis_task)
            synthesis_task = placement.put(synthesis_task)
        return self._deliver_speech(context, synthesis_task, extra_xcom)

    def _report(
        self, context: Context, request: Mapping[str, Any], placement: OutputPlacement | None
    ) -> dict[str, Any]:
        """End a dry run: report what Polly would bill."""
        found = None if placement is None else placement.find_reusable(request)
        existing = None if found is None else to_xcom_value(found.synthesis_task)
        report = report_dry_run(
            self, context, request, existing=existing, may_be_unchanged=self.skip_if_unchanged
        )
        return {**report}

    def _attempts(self, context: Context, digest: str) -> AttemptStore:
        token = request_token(task_run(context["ti"]), digest)
        return AttemptStore(context, token, digest, ends_in_triggerer=self.end_from_trigger)

    def _deliver_speech(
        self, context: Context, synthesis_task: Mapping[str, Any], extra_xcom: dict[str, Any]
    ) -> dict[str, Any]:
        """Push the XComs of a synthesis task that this run started, and return its XCom form.

        :param extra_xcom: fields to add to the SynthesisTask in ``return_value``
        """
        value = self._deliver(context, synthesis_task) | extra_xcom
        # The digest is missing if an earlier version of this package deferred the task.
        if self.durable and (digest := extra_xcom.get(_DIGEST)) is not None:
            self._attempts(context, digest).save_delivered()
        return value

    def _text_and_type(self, context: Context) -> tuple[str, str | None]:
        """Return the text to speak and its TextType."""
        return spoken_text(self, self.text, self.text_type, context, may_name_file=self.text_may_name_file)

    def _build_request(self, text: str, text_type: str | None) -> dict[str, Any]:
        return build_request(
            Engine=self.engine,
            LanguageCode=self.language_code,
            LexiconNames=self.lexicon_names,
            OutputFormat=self.output_format,
            OutputS3BucketName=self.output_s3_bucket_name,
            OutputS3KeyPrefix=self.output_s3_key_prefix,
            SampleRate=self.sample_rate,
            SnsTopicArn=self.sns_topic_arn,
            SpeechMarkTypes=self.speech_mark_types,
            Text=text,
            TextType=text_type,
            VoiceId=self.voice_id,
        )

    def _start(
        self,
        context: Context,
        request: Mapping[str, Any],
        attempts: AttemptStore,
        placement: OutputPlacement | None,
    ) -> Mapping[str, Any]:
        """Start the synthesis task, or adopt the one that an earlier try started, and return it."""
        if self.durable:
            exists = partial(output_exists, s3=self._s3, placement=placement)
            started = start_once(self.hook, request, context, attempts, object_exists=exists)
        else:
            started = Started(start_until_accepted(self.hook, request), adopted=False)
        synthesis_task = started.synthesis_task
        if not started.adopted:
            account_for(request, synthesis_task.get("RequestCharacters"))
        self.log.info(
            "Synthesis task %s: %d billed characters, output at %s",
            synthesis_task.get("TaskId"),
            synthesis_task.get("RequestCharacters", 0),
            synthesis_task.get("OutputUri"),
        )
        return synthesis_task

    def _output_plan(self, request: Mapping[str, Any], token: str, wav: WavForm | None) -> OutputPlan | None:
        """Return the plan for the object at ``output_s3_key``; None if it is not set."""
        if not self._has_output_key:
            return None
        key = validate_output_key(self.output_s3_key, request.get("OutputS3KeyPrefix"))
        # The content of a lexicon can change under the same name, so skip_if_unchanged compares contents.
        named = request.get("LexiconNames", ()) if self.skip_if_unchanged else ()
        lexicons = {name: self.hook.get_lexicon(name)["Lexicon"]["Content"] for name in named}
        return output_plan(key, request, token, lexicons, wav)

    @cached_property
    def _s3(self) -> S3Access:
        return S3Access(self._hook_parameters)

    def _placement(self, context: Context, plan: OutputPlan) -> OutputPlacement:
        return OutputPlacement(
            plan,
            current_run(context),
            hook=self.hook,
            s3=self._s3,
            keep_original=self.keep_original,
            skip_if_unchanged=self.skip_if_unchanged,
            adoptable=self.durable,
        )

    def _reuse(self, placement: OutputPlacement, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the SynthesisTask of a reusable object at the key, or None without such an object.

        If this run made the object, also remove the original if it still exists.
        """
        found = placement.find_reusable(request)
        if found is None:
            return None
        if found.by_this_run:
            placement.remove_leftover_original(found.provenance)
        return found.synthesis_task
