"""The operator that synthesizes a short text in one request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from airflow_polly_provider.aws.base import AwsBaseOperator, aws_template_fields
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import SPEECH_LINKS
from airflow_polly_provider.operators.dry_run import report_dry_run
from airflow_polly_provider.output.speech_destination import speech_destination
from airflow_polly_provider.output.wav_speech import open_speech_as
from airflow_polly_provider.request.billing import (
    validate_billed_characters,
    validate_max_request_characters,
)
from airflow_polly_provider.request.container import validate_output_container, wav_form
from airflow_polly_provider.request.dry_run import is_dry_run, validate_dry_run
from airflow_polly_provider.request.rendered import settle_rendered, templates_of
from airflow_polly_provider.request.template_file import spoken_text, validate_text_may_name_file
from airflow_polly_provider.request.validation import build_speech_request
from airflow_polly_provider.request.voices import validate_voice
from airflow_polly_provider.results.cost import cost_words, with_estimated_cost
from airflow_polly_provider.results.delivery import failure_pushed, push_aws_connection, push_own_xcoms
from airflow_polly_provider.results.lineage import openlineage_of, report_output
from airflow_polly_provider.results.speech import SPEECH_XCOM_KEYS, speech_xcom
from airflow_polly_provider.text.limits import MAX_SPEECH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.output.speech_destination import SpeechDestination
    from airflow_polly_provider.output.speech_stream import Speech
    from airflow_polly_provider.request.literals import (
        OutputContainer,
        OutputFormat,
        SpeechMarkType,
        TextType,
    )
    from airflow_polly_provider.results.speech import SpeechXCom
    from airflow_polly_provider.text.markup import Ssml

# Audio that Polly cuts can be up to one frame shorter than the limit.
_CUT_SECONDS = MAX_SPEECH_SECONDS - 1


class PollySynthesizeSpeechOperator(AwsBaseOperator[PollyHook]):
    """Synthesize a short text in one request, and store the audio in S3 or in a file.

    Calls SynthesizeSpeech, which returns the audio in its response. The operator streams the audio to the
    destination; if the stream is interrupted, partial output is removed. ``return_value`` is a
    :class:`~airflow_polly_provider.results.speech.SpeechXCom`. The task also pushes ``OutputUri``,
    ``OutputS3Uri``, ``RequestCharacters``, ``SpokenCharacters``, ``DurationSeconds`` and ``ContentType`` to
    XCom under their own keys. The operator never writes the text to a log or to XCom, but Airflow stores
    rendered template fields, including ``text``.

    Each try pays for the text at most once. The operator repeats the request if Polly throttles it (for up to
    1 hour), if it could not be sent (for up to 5 minutes), or if the endpoint refuses the connection (for up
    to 1 minute). If the response is lost, the try fails. A retry of the task pays for the text again.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html

    :param text: the text or SSML to speak, up to 3,000 billed and 6,000 total characters; or the name of a
        ``.txt``, ``.ssml`` or ``.xml`` template file, which Airflow searches for and renders like any
        template file. A string that contains white space is always text
    :param voice_id: name of the voice, such as ``Joanna``
    :param output_s3_bucket_name: name of the bucket to write to; requires ``output_s3_key``
    :param output_s3_key: key of the object; an existing object is replaced. A key is rejected if it is
        empty, ends in ``/``, begins with ``s3://`` or has more than 1,024 bytes (S3's limit)
    :param output_path: instead of bucket and key, a file on any file system that Airflow supports:
        ``file:///data/alice.mp3``, ``gs://connection@bucket/alice.mp3``, or an ObjectStoragePath. An existing
        file is replaced. A path that is empty or names a folder is rejected. ``s3://bucket/key`` uses the
        connection of this operator, and ``s3://connection@bucket/key`` the connection in the path; neither
        needs s3fs
    :param output_format: ``mp3`` (default), ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or
        ``json`` for speech marks
    :param output_container: ``wav`` to write a WAV file instead of the raw samples that Polly sends. Requires
        ``output_format`` ``pcm``, ``mulaw`` or ``alaw``. None (default) means no container. Any other value
        raises ValueError
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; if None, Polly uses ``standard``
    :param language_code: language such as ``en-IN``, for a bilingual voice; if None, Polly uses the default
        language of the voice
    :param lexicon_names: names of up to 5 pronunciation lexicons of this account and region
    :param sample_rate: sample rate in Hz. The valid rates depend on the format; see
        :data:`~airflow_polly_provider.request.rules.SPEECH_SAMPLE_RATES`. If None, Polly chooses the rate
    :param speech_mark_types: list of ``sentence``, ``ssml``, ``viseme`` and ``word``; requires
        ``output_format="json"``
    :param text_type: ``text`` or ``ssml``. If None, a text made with the SSML functions is SSML, an ``.ssml``
        file is SSML, and any other text is plain text
    :param text_may_name_file: whether ``text`` may be the name of a template file; default True. If the
        text comes from an untrusted source, use False: it is then always spoken and never read as a file
        name. Any value other than True or False raises ValueError
    :param max_request_characters: maximum number of billed characters, a whole number above 0 (otherwise
        ValueError). The operator rejects a longer text before anything is sent. None means no limit
    :param check_voice: whether to check with DescribeVoices, before the request is sent, that the region
        supports this combination of voice, engine and language; default False. If the check fails, the error
        lists valid alternatives. Requires the permission ``polly:DescribeVoices``
    :param dry_run: whether to only check the request and report what Polly would bill, as a
        :class:`~airflow_polly_provider.results.estimate.SpeechEstimate` in ``return_value``; default False.
        Give True, False or a template that renders to one of them. A dry run sends only free requests, writes
        nothing and causes no asset event. The operator keeps the value in the attribute ``only_estimate``
    :raises ValueError: no destination or more than one is given, or only one of ``output_s3_bucket_name`` and
        ``output_s3_key`` is given. The error is raised when the DAG is parsed
    :raises PollyInvalidRequestError: the request is invalid; never retried
    :raises PollyIncompleteAnswerError: the audio stream was interrupted, or the response has no audio

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
    """

    aws_hook_class = PollyHook
    template_fields: Sequence[str] = aws_template_fields(
        "text",
        "voice_id",
        "output_s3_bucket_name",
        "output_s3_key",
        "output_path",
        "output_format",
        "engine",
        "language_code",
        "lexicon_names",
        "sample_rate",
        "speech_mark_types",
        "text_type",
        "only_estimate",
    )
    operator_extra_links = SPEECH_LINKS
    ui_color = "#eabfff"
    output_uri: str | None = None
    """``OutputUri`` if this process knows it. Airflow builds the extra links from it while the task runs."""
    has_audio_in_s3 = False
    """Whether this process has written the audio to S3. Airflow builds the link to the tab from it."""
    _output: Mapping[str, Any] | None = None
    """The output of the task. OpenLineage reads it from the operator after the task has ended."""

    def __init__(
        self,
        *,
        text: str | Ssml | XComArg,
        voice_id: str | XComArg,
        output_s3_bucket_name: str | XComArg | None = None,
        output_s3_key: str | XComArg | None = None,
        output_path: str | ObjectStoragePath | XComArg | None = None,
        output_format: OutputFormat | XComArg = "mp3",
        output_container: OutputContainer | None = None,
        engine: str | XComArg | None = None,
        language_code: str | XComArg | None = None,
        lexicon_names: Sequence[str | XComArg] | XComArg | None = None,
        sample_rate: str | int | XComArg | None = None,
        speech_mark_types: Sequence[SpeechMarkType] | XComArg | None = None,
        text_type: TextType | XComArg | None = None,
        text_may_name_file: bool = True,
        max_request_characters: int | None = None,
        check_voice: bool = False,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_destination(output_s3_bucket_name, output_s3_key, output_path)
        # Any: the types of templated fields are known only after Airflow has rendered them.
        self.text: Any = text
        self.voice_id: Any = voice_id
        self.output_s3_bucket_name: Any = output_s3_bucket_name
        self.output_s3_key: Any = output_s3_key
        self.output_path: Any = output_path
        self.output_format: Any = output_format
        self.output_container = validate_output_container(output_container)
        self.engine: Any = engine
        self.language_code: Any = language_code
        self.lexicon_names: Any = lexicon_names
        self.sample_rate: Any = sample_rate
        self.speech_mark_types: Any = speech_mark_types
        self.text_type: Any = text_type
        self.text_may_name_file = validate_text_may_name_file(text_may_name_file)
        self.max_request_characters = validate_max_request_characters(max_request_characters)
        self.check_voice = check_voice
        # BaseOperator has a method dry_run, so the attribute has another name.
        self.only_estimate: Any = validate_dry_run(dry_run)
        self._templates = templates_of(self)

    def execute(self, context: Context) -> SpeechXCom:
        """Synthesize the text, store the audio, and return the audio's location and the billed characters.

        With ``dry_run``, return a :class:`~airflow_polly_provider.results.estimate.SpeechEstimate` instead.
        """
        with failure_pushed(self, context):
            return self._speak(context)

    def _speak(self, context: Context) -> SpeechXCom:
        dry_run = is_dry_run(self.only_estimate)
        settle_rendered(self, self._templates, context)
        request = self._request(context)
        wav = wav_form(self.output_container, request)
        destination = speech_destination(
            bucket=self.output_s3_bucket_name,
            key=self.output_s3_key,
            path=self.output_path,
            hook_parameters=self._hook_parameters,
        )
        validate_billed_characters(self.max_request_characters, request)
        if self.check_voice:
            validate_voice(self.hook.voices(), request, self.hook.asked_region)
        if dry_run:
            # The return type of execute describes only real runs.
            return cast("SpeechXCom", report_dry_run(self, context, request))
        speech, output = destination.receive(partial(open_speech_as, self.hook, request, wav))
        self._log_duration(speech, output)
        return self._deliver(context, request, speech, output, destination)

    def _request(self, context: Context) -> dict[str, Any]:
        text, text_type = spoken_text(
            self, self.text, self.text_type, context, may_name_file=self.text_may_name_file
        )
        return build_speech_request(
            Engine=self.engine,
            LanguageCode=self.language_code,
            LexiconNames=self.lexicon_names,
            OutputFormat=self.output_format,
            SampleRate=self.sample_rate,
            SpeechMarkTypes=self.speech_mark_types,
            Text=text,
            TextType=text_type,
            VoiceId=self.voice_id,
        )

    def _log_duration(self, speech: Speech, output: Mapping[str, str]) -> None:
        self.log.info(
            "Synthesized %s billed characters to %s: %d bytes, %.1f s of audio%s",
            speech.request_characters,
            output.get("OutputS3Uri", output["OutputUri"]),
            speech.size,
            speech.seconds,
            cost_words(
                with_estimated_cost({"RequestCharacters": speech.request_characters, "Engine": self.engine})
            ),
        )
        if speech.seconds >= _CUT_SECONDS:
            self.log.warning(
                "The audio lasts %.0f s. SynthesizeSpeech cuts audio at %d s, so the end of the text is "
                "probably missing. Use PollyStartSpeechSynthesisTaskOperator for this text.",
                speech.seconds,
                MAX_SPEECH_SECONDS,
            )

    def _deliver(
        self,
        context: Context,
        request: Mapping[str, Any],
        speech: Speech,
        output: Mapping[str, str],
        destination: SpeechDestination,
    ) -> SpeechXCom:
        """Push the XComs, report the object for lineage, and return the result without the text."""
        self.output_uri = output["OutputUri"]
        self.has_audio_in_s3 = "OutputS3Uri" in output
        value = speech_xcom(
            request,
            output,
            request_characters=speech.request_characters,
            content_type=speech.content_type,
            seconds=speech.seconds,
            output_container=self.output_container,
        )
        push_own_xcoms(self, context, value, SPEECH_XCOM_KEYS)
        push_aws_connection(
            self,
            context,
            value,
            hook_parameters=destination.hook_parameters,
            has_custom_endpoint=destination.has_custom_endpoint,
        )
        self._output = report_output(self, context, value, written=True)
        return value

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as an OpenLineage output dataset. OpenLineage's listener calls it in the worker.

        :param task_instance: the task instance; not used
        """
        return openlineage_of(self._output)


def _check_destination(bucket: object, key: object, path: object) -> None:
    if (bucket is None) != (key is None):
        raise ValueError(
            "output_s3_bucket_name and output_s3_key must be given together: give both, or only output_path."
        )
    if (bucket is None) == (path is None):
        raise ValueError(
            f"{'No destination was' if path is None else 'Two destinations were'} given: give either "
            "output_s3_bucket_name with output_s3_key, or output_path."
        )
