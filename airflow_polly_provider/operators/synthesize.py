"""The operator that speaks a short text at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import AwsBaseOperator, aws_template_fields
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.links.polly import PollyOutputLink
from airflow_polly_provider.output.speech_destination import speech_destination
from airflow_polly_provider.output.speech_stream import open_speech
from airflow_polly_provider.request.billing import (
    validate_billed_characters,
    validate_max_request_characters,
)
from airflow_polly_provider.request.rendered import settle_rendered, templates_of
from airflow_polly_provider.request.template_file import spoken_text, validate_text_may_name_file
from airflow_polly_provider.request.validation import build_speech_request
from airflow_polly_provider.request.voices import validate_voice
from airflow_polly_provider.results.delivery import push_own_xcoms
from airflow_polly_provider.results.lineage import openlineage_of, report_output
from airflow_polly_provider.results.speech import SPEECH_XCOM_KEYS, speech_xcom
from airflow_polly_provider.text.limits import MAX_SPEECH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_polly_provider.compat import Context, ObjectStoragePath, XComArg
    from airflow_polly_provider.output.speech_stream import SpeechStream
    from airflow_polly_provider.request.literals import OutputFormat, SpeechMarkType, TextType
    from airflow_polly_provider.results.speech import SpeechXCom
    from airflow_polly_provider.text.markup import Ssml

# Audio that was cut may end within a frame of the limit.
_CUT_SECONDS = MAX_SPEECH_SECONDS - 1


class PollySynthesizeSpeechOperator(AwsBaseOperator[PollyHook]):
    """Speak a short text at once and store the audio in S3 or in a file.

    One call of SynthesizeSpeech, whose answer is the audio itself; it is written as it comes, and what broke
    off is not left behind. ``return_value`` is a
    :class:`~airflow_polly_provider.results.speech.SpeechXCom`;
    ``OutputUri``, ``OutputS3Uri``, ``RequestCharacters``, ``SpokenCharacters`` and ``ContentType`` are pushed
    under their own keys as well. The text is in no log line and no XCom; Airflow itself stores rendered
    template fields.

    A try of the task pays once at most: a throttled call is repeated, for up to an hour, and so is one that
    could not be sent; an answer that was lost fails the try. A retry pays again.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html

    :param text: what to speak, up to 3,000 billed and 6,000 total characters; or the name of a ``.txt``,
        ``.ssml`` or ``.xml`` template file, as for the start operator
    :param voice_id: a voice, such as ``Joanna``
    :param output_s3_bucket_name: the bucket to write to, with ``output_s3_key``; its bare name
    :param output_s3_key: the object's key; an object that is there is replaced. Refused if empty, if it ends
        in ``/`` or begins with ``s3://``, and over S3's 1,024 bytes
    :param output_path: in place of the two, a file on any file system that Airflow knows:
        ``file:///data/alice.mp3``, ``gs://connection@bucket/alice.mp3``, or an ObjectStoragePath; a file that
        is there is replaced. Refused if it is empty or names a folder. ``s3://connection@bucket/key`` needs
        no s3fs; without a connection in it, the operator's own is used
    :param output_format: ``mp3``, ``ogg_vorbis``, ``ogg_opus``, ``pcm``, ``mulaw``, ``alaw``, or ``json`` for
        speech marks
    :param engine: ``standard``, ``neural``, ``long-form`` or ``generative``; Polly's default is standard
    :param language_code: for a bilingual voice, such as ``en-IN``
    :param lexicon_names: up to 5 pronunciation lexicons of this account and region
    :param sample_rate: in Hz; which rates are valid depends on the format, see
        :data:`~airflow_polly_provider.request.rules.SPEECH_SAMPLE_RATES`
    :param speech_mark_types: ``sentence``, ``ssml``, ``viseme``, ``word``; with ``output_format="json"``
    :param text_type: ``text`` or ``ssml``; ``ssml`` where ``text`` names an ``.ssml`` file and this is not
        given
    :param text_may_name_file: whether ``text`` may be the name of a template file; False for a text that
        others supply, which is then spoken as it stands; ValueError for anything but a bool
    :param max_request_characters: refuse, before anything is sent, a text that would be billed for more
        characters than this; a whole number above 0, else ValueError; None for no limit
    :param check_voice: ask DescribeVoices, before anything is sent, whether voice, engine and language go
        together in this region, and refuse what does not, naming what would; needs ``polly:DescribeVoices``
    :raises ValueError: when the DAG is parsed: no destination was given, or two, or half of one
    :raises PollyInvalidRequestError: the request is refused as it stands; never retried
    :raises PollyIncompleteAnswerError: the audio broke off

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are those of every operator of the
    amazon provider.
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
    )
    operator_extra_links = (PollyOutputLink(),)
    ui_color = "#eabfff"
    output_uri: str | None = None
    """``OutputUri`` as soon as it is known in this process, for the links that Airflow asks for meanwhile."""
    _output: Mapping[str, Any] | None = None
    """What the task wrote. OpenLineage asks the operator for it when the task has ended."""

    def __init__(
        self,
        *,
        text: str | Ssml | XComArg,
        voice_id: str | XComArg,
        output_s3_bucket_name: str | XComArg | None = None,
        output_s3_key: str | XComArg | None = None,
        output_path: str | ObjectStoragePath | XComArg | None = None,
        output_format: OutputFormat | XComArg = "mp3",
        engine: str | XComArg | None = None,
        language_code: str | XComArg | None = None,
        lexicon_names: Sequence[str | XComArg] | XComArg | None = None,
        sample_rate: str | int | XComArg | None = None,
        speech_mark_types: Sequence[SpeechMarkType] | XComArg | None = None,
        text_type: TextType | XComArg | None = None,
        text_may_name_file: bool = True,
        max_request_characters: int | None = None,
        check_voice: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_destination(output_s3_bucket_name, output_s3_key, output_path)
        # Any: what the templated ones hold is known only when Airflow has rendered them.
        self.text: Any = text
        self.voice_id: Any = voice_id
        self.output_s3_bucket_name: Any = output_s3_bucket_name
        self.output_s3_key: Any = output_s3_key
        self.output_path: Any = output_path
        self.output_format: Any = output_format
        self.engine: Any = engine
        self.language_code: Any = language_code
        self.lexicon_names: Any = lexicon_names
        self.sample_rate: Any = sample_rate
        self.speech_mark_types: Any = speech_mark_types
        self.text_type: Any = text_type
        self.text_may_name_file = validate_text_may_name_file(text_may_name_file)
        self.max_request_characters = validate_max_request_characters(max_request_characters)
        self.check_voice = check_voice
        self._templates = templates_of(self)

    def execute(self, context: Context) -> SpeechXCom:
        """Speak, store the audio, and return where it lies and what it cost."""
        settle_rendered(self, self._templates, context)
        request = self._request(context)
        destination = speech_destination(
            bucket=self.output_s3_bucket_name,
            key=self.output_s3_key,
            path=self.output_path,
            hook_parameters=self._hook_parameters,
        )
        validate_billed_characters(self.max_request_characters, request)
        if self.check_voice:
            validate_voice(self.hook.voices(), request, self.hook.asked_region)
        speech, output = destination.receive(partial(open_speech, self.hook, request))
        self._say_how_long(speech, output)
        return self._deliver(context, request, speech, output)

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

    def _say_how_long(self, speech: SpeechStream, output: Mapping[str, str]) -> None:
        self.log.info(
            "Polly spoke %s characters into %s: %d bytes, %.1f s",
            speech.request_characters,
            output.get("OutputS3Uri", output["OutputUri"]),
            speech.size,
            speech.seconds,
        )
        if speech.seconds >= _CUT_SECONDS:
            self.log.warning(
                "The audio plays %.0f s, and SynthesizeSpeech cuts it at %d: the end of the text is likely "
                "missing. Use PollyStartSpeechSynthesisTaskOperator for it.",
                speech.seconds,
                MAX_SPEECH_SECONDS,
            )

    def _deliver(
        self, context: Context, request: Mapping[str, Any], speech: SpeechStream, output: Mapping[str, str]
    ) -> SpeechXCom:
        """Push the XComs, report the object, and return what there is to know of it but the text."""
        self.output_uri = output["OutputUri"]
        value = speech_xcom(
            request,
            output,
            request_characters=speech.request_characters,
            content_type=speech.content_type,
        )
        push_own_xcoms(self, context, value, SPEECH_XCOM_KEYS)
        self._output = report_output(self, context, value, written=True)
        return value

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as OpenLineage's output dataset; OpenLineage's listener calls this in the worker.

        :param task_instance: Airflow's, not needed
        """
        return openlineage_of(self._output)


def _check_destination(bucket: object, key: object, path: object) -> None:
    if (bucket is None) != (key is None):
        raise ValueError(
            "output_s3_bucket_name and output_s3_key belong together: give both, or output_path."
        )
    if (bucket is None) == (path is None):
        raise ValueError(
            "Give exactly one destination: output_s3_bucket_name with output_s3_key, or output_path; "
            f"given were {'none' if path is None else 'both'}."
        )
