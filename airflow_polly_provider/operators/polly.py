"""Operators for Polly's speech synthesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_polly_provider.aws_base import aws_template_fields
from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.operators.durable_start import DurableStart
from airflow_polly_provider.operators.output_key import PollyOutputKeyBase
from airflow_polly_provider.operators.patient_start import start_when_taken
from airflow_polly_provider.operators.start_memory import StartMemory
from airflow_polly_provider.operators.synthesize import PollySynthesizeSpeechOperator
from airflow_polly_provider.operators.text_file import spoken_text
from airflow_polly_provider.operators.token_search import TokenSearch
from airflow_polly_provider.request_cost import account_for, checked_maximum, refuse_over
from airflow_polly_provider.request_token import TaskRun, prefix_with_token, request_digest, request_token
from airflow_polly_provider.settings import start_look_seconds, token_namespace
from airflow_polly_provider.synthesis_request import build_request
from airflow_polly_provider.synthesis_task import (
    SYNTHESIS_TASK_LIFETIME_SECONDS,
    S3Location,
    synthesis_task_id_of,
)
from airflow_polly_provider.voices import refuse_voice_that_does_not_fit
from airflow_polly_provider.waiting import look_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

__all__ = [
    "OutputFormat",
    "PollyGetSpeechSynthesisTaskOperator",
    "PollyStartSpeechSynthesisTaskOperator",
    "PollySynthesizeSpeechOperator",
    "SpeechMarkType",
    "TextType",
]

_LIFETIME = timedelta(seconds=SYNTHESIS_TASK_LIFETIME_SECONDS)
_LOOK_UP_PATIENCE_SECONDS = 15 * 60.0
_CLOCK_MARGIN = timedelta(minutes=10)

OutputFormat = Literal["mp3", "ogg_vorbis", "ogg_opus", "pcm", "mulaw", "alaw", "json"]
SpeechMarkType = Literal["sentence", "ssml", "viseme", "word"]
TextType = Literal["text", "ssml"]


class PollyStartSpeechSynthesisTaskOperator(PollyOutputKeyBase):
    """Turn a text into speech in S3 and hand ``OutputUri`` and ``RequestCharacters`` to later tasks.

    Starts a Polly synthesis task and, unless told otherwise, waits until it completed. ``return_value`` is
    the SynthesisTask with AWS's own key names, ``OutputS3Uri`` and ``RequestDigest``, a hash of the request.
    ``TaskId``, ``TaskStatus``, ``OutputUri``, ``OutputS3Uri`` and ``RequestCharacters`` are pushed under
    their own keys as well. The text is in no log line and no XCom; Airflow itself stores rendered template
    fields.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html

    :param text: what to speak, up to 100,000 billed and 200,000 total characters; or the name of a ``.txt``,
        ``.ssml`` or ``.xml`` template file, looked up like any Airflow template file (a string with white
        space is text)
    :param output_s3_bucket_name: the bucket that Polly writes to, in the region that Polly is called in
    :param voice_id: a voice, such as ``Joanna``
    :param output_format: ``mp3``, ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or ``json`` for
        speech marks
    :param output_s3_key_prefix: how the object's key begins; a token and Polly's TaskId follow
    :param output_s3_key: the key that the finished object is put at, in place of that one; see
        :class:`~airflow_polly_provider.operators.output_key.PollyOutputKeyBase`, also for
        ``keep_original`` and ``skip_if_unchanged``
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; Polly's default is standard
    :param language_code: for a bilingual voice, such as ``en-IN``
    :param lexicon_names: up to 5 pronunciation lexicons of this account and region
    :param sample_rate: in Hz; which rates are valid depends on the format, see
        :data:`~airflow_polly_provider.synthesis_request.SAMPLE_RATES`
    :param sns_topic_arn: a topic that Polly tells when the synthesis task completed or failed
    :param speech_mark_types: ``sentence``, ``ssml``, ``viseme``, ``word``; with ``output_format="json"``
    :param text_type: ``text`` or ``ssml``; ``ssml`` where ``text`` names an ``.ssml`` file and this is not
        given
    :param durable: put a token into the object's key, by which a lost answer's or an earlier try's synthesis
        task is found again instead of being started, and billed, twice; needs
        ``polly:ListSpeechSynthesisTasks``. False leaves the prefix exactly as given; then each try
        starts, and pays, afresh
    :param max_request_characters: refuse, before anything is sent, a text that would be billed for more
        characters than this; a whole number above 0, else ValueError; None for no limit
    :param check_voice: ask DescribeVoices, before anything is sent, whether voice, engine and language go
        together in this region, and refuse what does not, naming what would; needs ``polly:DescribeVoices``
    :param wait_for_completion: whether to wait until the synthesis task completed; a failed one fails the
        task, whose retry starts afresh
    :raises PollyInvalidRequestError: the request is refused as it stands; never retried
    :raises PollySynthesisTaskFailedError: Polly reports TaskStatus ``failed``
    :raises PollyWaitTimeoutError: the timeout passed

    ``deferrable``, ``poke_interval`` and ``timeout`` are those of
    :class:`~airflow_polly_provider.operators.base.PollyWaitingOperator`; ``aws_conn_id``, ``region_name``,
    ``verify`` and ``botocore_config`` those of every operator of the amazon provider.
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
    )
    ui_color = "#eabfff"
    failed_is_final = False

    def __init__(
        self,
        *,
        text: str,
        output_s3_bucket_name: str,
        voice_id: str,
        output_format: OutputFormat = "mp3",
        output_s3_key_prefix: str | None = None,
        engine: str | None = None,
        language_code: str | None = None,
        lexicon_names: Sequence[str] | None = None,
        sample_rate: str | int | None = None,
        sns_topic_arn: str | None = None,
        speech_mark_types: Sequence[SpeechMarkType] | None = None,
        text_type: TextType | None = None,
        durable: bool = True,
        max_request_characters: int | None = None,
        check_voice: bool = False,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(wait_for_completion=wait_for_completion, durable=durable, **kwargs)
        self.text = text
        self.output_s3_bucket_name = output_s3_bucket_name
        self.voice_id = voice_id
        self.output_format = output_format
        self.output_s3_key_prefix = output_s3_key_prefix
        self.engine = engine
        self.language_code = language_code
        self.lexicon_names = lexicon_names
        self.sample_rate = sample_rate
        self.sns_topic_arn = sns_topic_arn
        self.speech_mark_types = speech_mark_types
        self.text_type = text_type
        self.max_request_characters = checked_maximum(max_request_characters)
        self.check_voice = check_voice

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the synthesis task, wait if asked to, and return its XCom form."""
        request = self._request(context)
        refuse_over(self.max_request_characters, request)
        if self.check_voice:
            refuse_voice_that_does_not_fit(self.hook.voices(), request, self.hook.asked_region)
        digest = request_digest(request)
        self.log.info("Request digest %s", digest)
        token = request_token(self._task_run(context), digest)
        if self.durable:
            request["OutputS3KeyPrefix"] = prefix_with_token(request.get("OutputS3KeyPrefix"), token)
        if (made := self._output_from_before(request, token)) is not None:
            return self._hand_over(context, made, failed_is_error=True) | {"RequestDigest": digest}
        if self.durable:
            started = self._durable_start(context, request, token)
        else:
            started = start_when_taken(self.hook, request)
            account_for(request, started.get("RequestCharacters"))
        self.log.info(
            "Synthesis task %s speaks %d characters to %s",
            started.get("TaskId"),
            started.get("RequestCharacters", 0),
            started.get("OutputUri"),
        )
        if not self.wait_for_completion:
            return self._hand_over(context, started, failed_is_error=False) | {"RequestDigest": digest}
        return self._wait(context, started, for_resume=self._output_plan(), RequestDigest=digest)

    def _durable_start(self, context: Context, request: dict[str, Any], token: str) -> Mapping[str, Any]:
        run_began = context["dag_run"].start_date or datetime.now(tz=UTC) - _LIFETIME
        start = DurableStart(
            self.hook,
            request,
            memory=StartMemory(context, token),
            try_number=context["ti"].try_number,
            search=TokenSearch(
                self.hook,
                S3Location(request["OutputS3BucketName"], request["OutputS3KeyPrefix"]),
                not_before=run_began - _CLOCK_MARGIN,
            ),
            look_seconds=start_look_seconds(),
            object_exists=self._object_exists,
        )
        started = start.run()
        if not start.adopted:
            account_for(request, started.get("RequestCharacters"))
        return started

    def _text_and_type(self, context: Context) -> tuple[str, str | None]:
        """Return what is spoken, read from its file where ``text`` names one, and its TextType."""
        return spoken_text(self, self.text, self.text_type, context)

    def _request(self, context: Context) -> dict[str, Any]:
        text, text_type = self._text_and_type(context)
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

    def _task_run(self, context: Context) -> TaskRun:
        ti = context["ti"]
        return TaskRun(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            max_tries=ti.max_tries,
            namespace=token_namespace(),
        )


class PollyGetSpeechSynthesisTaskOperator(PollyWaitingOperator):
    """Hand over what Polly knows of a synthesis task.

    Pushes the same XComs as the start operator. Without waiting it succeeds with any TaskStatus, ``failed``
    too; when it waits, a synthesis task that failed fails it for good.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, or a SynthesisTask as the start operator returns it
    :param wait_for_completion: whether to wait until the synthesis task completed
    :raises PollySynthesisTaskNotFoundError: Polly did not know the id for 30 seconds; never retried
    :raises PollySynthesisTaskFailedFinalError: it waited, and Polly reports TaskStatus ``failed``
    :raises PollyWaitTimeoutError: the timeout passed

    ``deferrable``, ``poke_interval`` and ``timeout`` are those of
    :class:`~airflow_polly_provider.operators.base.PollyWaitingOperator`; ``aws_conn_id``, ``region_name``,
    ``verify`` and ``botocore_config`` those of every operator of the amazon provider.
    """

    template_fields: Sequence[str] = aws_template_fields("synthesis_task_id")
    ui_color = "#eabfff"

    def __init__(
        self,
        *,
        synthesis_task_id: str | Mapping[str, Any],
        wait_for_completion: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(wait_for_completion=wait_for_completion, **kwargs)
        self.synthesis_task_id = synthesis_task_id
        self.claims_output = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask Polly, wait if asked to, and return the SynthesisTask in its XCom form."""
        synthesis_task = look_up(
            self.hook, synthesis_task_id_of(self.synthesis_task_id), patience=_LOOK_UP_PATIENCE_SECONDS
        )
        if not self.wait_for_completion:
            return self._hand_over(context, synthesis_task, failed_is_error=False)
        return self._wait(context, synthesis_task)
