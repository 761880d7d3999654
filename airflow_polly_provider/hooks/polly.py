"""The hook: one typed method for each Polly operation that boto3 can call."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from airflow_polly_provider.aws.connection import NamedConnectionHook
from airflow_polly_provider.aws.errors import translate_aws_errors
from airflow_polly_provider.aws.service_model import upgrade_hint
from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.hooks.answers import (
    collection_in,
    member_of,
    synthesis_task_in,
    synthesis_tasks_in,
)
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE, VoiceSource
from airflow_polly_provider.request.rules import ESTIMATE_RULES
from airflow_polly_provider.request.validation import build_request
from airflow_polly_provider.request.voices import matching_voices, validate_voice
from airflow_polly_provider.results.estimate import estimate_of
from airflow_polly_provider.text.markup import Ssml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from types_boto3_polly import PollyClient
    from types_boto3_polly.literals import EngineType, LanguageCodeType, TaskStatusType
    from types_boto3_polly.type_defs import (
        GetLexiconOutputTypeDef,
        LexiconDescriptionTypeDef,
        ListSpeechSynthesisTasksOutputTypeDef,
        SynthesisTaskTypeDef,
        SynthesizeSpeechOutputTypeDef,
        VoiceTypeDef,
    )

    from airflow_polly_provider.request.literals import OutputFormat, SpeechMarkType, TextType
    from airflow_polly_provider.results.estimate import SpeechEstimate

MAX_TASKS_PER_PAGE = 100
"""Maximum number of SynthesisTasks in one response of ListSpeechSynthesisTasks.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_ListSpeechSynthesisTasks.html
"""

NOT_CALLABLE = frozenset({"StartSpeechSynthesisStream"})
"""Operations in botocore's service model that boto3's clients lack: botocore does not support HTTP/2."""


class PollyHook(NamedConnectionHook):
    """Call Amazon Polly with an Airflow AWS connection.

    Each method wraps one Polly operation and returns its result. There is no method for
    StartSpeechSynthesisStream: it needs HTTP/2, so botocore removes it from its clients. In addition to the
    errors in its own docstring, each method raises
    :class:`~airflow_polly_provider.exceptions.PollyConfigurationError` if a region or a permission is
    missing, :class:`~airflow_polly_provider.exceptions.PollyCredentialsError` if credentials are missing or
    rejected, and :class:`~airflow_polly_provider.exceptions.PollyIncompleteAnswerError` if the response
    cannot be read or is not in AWS's format. botocore's errors for throttling, 5xx responses and network
    failures pass through unchanged.

    :param aws_conn_id: id of the AWS connection. If it is None or empty, or if it is ``aws_default`` and this
        connection does not exist, the hook uses boto3's credential chain. Any other connection that does not
        exist is an error
    :param region_name: AWS region; if None, from the connection or the environment
    :param verify: whether to verify TLS certificates, or the path of a CA bundle
    :param config: botocore configuration, as a mapping or a ``botocore.config.Config``
    :param botocore_retries: whether botocore retries requests; default True. Callers that count their
        requests use False
    :param look_up_seconds: time to keep looking for a connection that is not found, in seconds; default 30.
        The call blocks during this time
    :param default_timeout: connect and read timeout in seconds, used only with ``botocore_retries=False`` and
        if neither ``config`` nor the connection sets a timeout. If None, botocore's default of 60 seconds
        applies
    """

    def __init__(
        self, *args: Any, botocore_retries: bool = True, default_timeout: float | None = None, **kwargs: Any
    ) -> None:
        kwargs["client_type"] = "polly"
        try:
            super().__init__(*args, **kwargs)
        except TypeError as error:
            raise PollyConfigurationError(f"botocore rejected botocore_config: {error}") from error
        self.botocore_retries = botocore_retries
        self.default_timeout = default_timeout

    @property
    def client(self) -> PollyClient:
        """The boto3 client, created on first use."""
        client: PollyClient = self.conn if self.botocore_retries else self.client_without_retries
        return client

    @property
    def _tagging_client(self) -> Any:
        """The client for the tag operations. The published type stubs do not have these operations yet."""
        client: Any = self.client
        if not hasattr(client, "tag_resource"):
            raise PollyConfigurationError(
                f"Tags need Polly's TagResource operation. {upgrade_hint('TagResource')}"
            )
        return client

    @cached_property
    def client_without_retries(self) -> PollyClient:
        """The same client with botocore's retries off, for requests that only this package may repeat."""
        config = self.config.merge(Config(retries={"total_max_attempts": 1}))
        if self.default_timeout is not None:
            defaults = Config(connect_timeout=self.default_timeout, read_timeout=self.default_timeout)
            config = defaults.merge(config)
        client: PollyClient = self.get_client_type(region_name=self.region_name, config=config)
        return client

    @property
    def asked_region(self) -> str:
        """The region that this hook's requests go to, for error messages."""
        return self.region_name or self.client.meta.region_name

    def renew(self) -> None:
        """Discard the cached connection, credentials and clients. The next call loads new ones."""
        for cached in ("conn_config", "conn", "_client", "client_without_retries"):
            self.__dict__.pop(cached, None)

    def get_speech_synthesis_task(self, synthesis_task_id: str) -> SynthesisTaskTypeDef:
        """Return a synthesis task with all fields that Polly returns.

        :param synthesis_task_id: Polly's ``TaskId``
        :raises PollySynthesisTaskNotFoundError: Polly does not know the id in this region, or no longer
            knows it
        :raises PollyInvalidRequestError: the id is malformed
        :raises PollyIncompleteAnswerError: the response is incomplete
        """
        with translate_aws_errors(self, "polly:GetSpeechSynthesisTask", synthesis_task_id):
            response = self.client.get_speech_synthesis_task(TaskId=synthesis_task_id)
        return synthesis_task_in(response, "TaskId", "TaskStatus")

    def start_speech_synthesis_task(self, request: Mapping[str, Any]) -> SynthesisTaskTypeDef:
        """Start a synthesis task and return it.

        botocore's retries are off, because the operation has no client token: if a response is lost and the
        request is repeated, Polly starts and bills a second synthesis task.

        :param request: the parameters of StartSpeechSynthesisTask, with AWS's names
        :raises PollyInvalidRequestError: Polly rejects the request (SSML, bucket, voice, …)
        :raises PollyIncompleteAnswerError: the response is incomplete; the synthesis task may have started
        """
        with translate_aws_errors(self, "polly:StartSpeechSynthesisTask"):
            response = self.client_without_retries.start_speech_synthesis_task(**request)
        return synthesis_task_in(response, "TaskId")

    def list_speech_synthesis_tasks(
        self, *, status: TaskStatusType | None = None, page_size: int = MAX_TASKS_PER_PAGE
    ) -> Iterator[SynthesisTaskTypeDef]:
        """Iterate over the account's synthesis tasks of the last 72 hours in this region.

        Each page is requested only when the iteration reaches it.

        :param status: return only synthesis tasks with this TaskStatus; None for any
        :param page_size: number of synthesis tasks in each request, 1 to 100; default 100
        :raises PollyIncompleteAnswerError: a response is incomplete
        """
        token = None
        while True:
            page = self._list_page(_given(Status=status, MaxResults=page_size, NextToken=token))
            yield from page["SynthesisTasks"]
            if not (token := page.get("NextToken")):
                return

    def list_speech_synthesis_tasks_page(
        self,
        *,
        status: TaskStatusType | None = None,
        page_size: int = MAX_TASKS_PER_PAGE,
        next_token: str | None = None,
    ) -> ListSpeechSynthesisTasksOutputTypeDef:
        """Return one page of the account's synthesis tasks of the last 72 hours in this region.

        Sends exactly one request, because botocore's retries are off. Use it if you count your requests.

        :param status: return only synthesis tasks with this TaskStatus; None for any
        :param page_size: maximum number of synthesis tasks, 1 to 100; default 100
        :param next_token: ``NextToken`` of the previous page; None for the first page
        :raises PollyIncompleteAnswerError: the response is incomplete
        """
        request = _given(Status=status, MaxResults=page_size, NextToken=next_token)
        return self._list_page(request, botocore_retries=False)

    def _list_page(
        self, request: Mapping[str, Any], *, botocore_retries: bool = True
    ) -> ListSpeechSynthesisTasksOutputTypeDef:
        with translate_aws_errors(self, "polly:ListSpeechSynthesisTasks"):
            client = self.client if botocore_retries else self.client_without_retries
            page = client.list_speech_synthesis_tasks(**request)
        page["SynthesisTasks"] = synthesis_tasks_in(page)
        return page

    def synthesize_speech(self, request: Mapping[str, Any]) -> SynthesizeSpeechOutputTypeDef:
        """Synthesize a text of up to 3,000 billed and 6,000 total characters, and return the response.

        Polly cuts the audio at 10 minutes. ``AudioStream`` of the result is a stream: read it in chunks and
        close it. botocore's retries are off: if a response is lost and the request is repeated, Polly bills
        the text again.

        :param request: the parameters of SynthesizeSpeech, with AWS's names
        :raises PollyInvalidRequestError: Polly rejects the request
        """
        with translate_aws_errors(self, "polly:SynthesizeSpeech"):
            return self.client_without_retries.synthesize_speech(**request)

    def describe_voices(
        self,
        *,
        engine: EngineType | None = None,
        language_code: LanguageCodeType | None = None,
        include_additional_language_codes: bool | None = None,
    ) -> Iterator[VoiceTypeDef]:
        """Iterate over the voices of this region. Each page is requested when the iteration reaches it.

        :param engine: return only voices with this engine; None for any
        :param language_code: return only voices with this language; None for any
        :param include_additional_language_codes: whether ``language_code`` also matches the additional
            languages of bilingual voices
        :raises PollyIncompleteAnswerError: a response is incomplete
        """
        request = _given(
            Engine=engine,
            LanguageCode=language_code,
            IncludeAdditionalLanguageCodes=include_additional_language_codes,
        )
        while True:
            with translate_aws_errors(self, "polly:DescribeVoices"):
                page = self.client.describe_voices(**request)
            yield from member_of(page, "Voices")
            if not (token := page.get("NextToken")):
                return
            request["NextToken"] = token

    def voices(self, *, language_code: str | None = None, engine: str | None = None) -> list[VoiceTypeDef]:
        """Return the voices for a language and an engine in this region, from DescribeVoices or its cache.

        For each connection, region and endpoint, the process caches the voices of DescribeVoices for 1 hour.

        :param language_code: language such as ``en-GB``; None for any. A bilingual voice matches each of its
            languages
        :param engine: engine such as ``neural``; None for any
        """
        source = VoiceSource(self.aws_conn_id, self.asked_region, self.client.meta.endpoint_url)
        voices = VOICE_CACHE.voices_of(source, self.describe_voices)
        return copy.deepcopy(matching_voices(voices, language_code=language_code, engine=engine))

    def estimate(
        self,
        *,
        text: str | Ssml,
        voice_id: str,
        engine: str | None = None,
        language_code: str | None = None,
        lexicon_names: Sequence[str] | None = None,
        output_format: OutputFormat = "mp3",
        sample_rate: str | int | None = None,
        speech_mark_types: Sequence[SpeechMarkType] | None = None,
        text_type: TextType | None = None,
        check_voice: bool = False,
    ) -> SpeechEstimate:
        """Check a text like the start operator, and return what Polly would bill and the estimated cost.

        The method sends no request and needs no connection. The exception is ``check_voice``, which sends the
        free request DescribeVoices.

        :param text: the text or SSML, up to 100,000 billed and 200,000 total characters
        :param voice_id: name of the voice
        :param engine: engine, which determines the price; if None, Polly's default engine
        :param language_code: language, for a bilingual voice
        :param lexicon_names: names of up to 5 lexicons; whether they exist is not checked
        :param output_format: format of the audio, or ``json`` for speech marks
        :param sample_rate: sample rate in Hz
        :param speech_mark_types: list of ``sentence``, ``ssml``, ``viseme`` and ``word``
        :param text_type: ``text`` or ``ssml``; if None, a text made with the SSML functions is SSML
        :param check_voice: whether to ask Polly if the region supports this voice, engine and language
        :raises PollyInvalidRequestError: Polly would reject the request
        """
        if text_type is None and isinstance(text, Ssml):
            text_type = "ssml"
        request = build_request(
            ESTIMATE_RULES,
            Engine=engine,
            LanguageCode=language_code,
            LexiconNames=lexicon_names,
            OutputFormat=output_format,
            SampleRate=sample_rate,
            SpeechMarkTypes=speech_mark_types,
            Text=str(text) if isinstance(text, Ssml) else text,
            TextType=text_type,
            VoiceId=voice_id,
        )
        if check_voice:
            validate_voice(self.voices(), request, self.asked_region)
        return estimate_of(request)

    def put_lexicon(self, name: str, content: str) -> None:
        """Store a pronunciation lexicon. An existing lexicon of this name is replaced.

        :param name: name of the lexicon, 1 to 20 letters and digits
        :param content: a PLS document
        :raises PollyInvalidRequestError: Polly rejects the lexicon
        """
        with translate_aws_errors(self, "polly:PutLexicon", name):
            self.client.put_lexicon(Name=name, Content=content)

    def get_lexicon(self, name: str) -> GetLexiconOutputTypeDef:
        """Return the content and the attributes of a pronunciation lexicon.

        :param name: name of the lexicon
        :raises PollyLexiconNotFoundError: no lexicon has this name in this region
        :raises PollyIncompleteAnswerError: the response is incomplete
        """
        with translate_aws_errors(self, "polly:GetLexicon", name):
            response = self.client.get_lexicon(Name=name)
        member_of(response, "Lexicon")
        return response

    def list_lexicons(self) -> Iterator[LexiconDescriptionTypeDef]:
        """Iterate over the account's pronunciation lexicons in this region.

        Each page is requested only when the iteration reaches it.

        :raises PollyIncompleteAnswerError: a response is incomplete
        """
        token = None
        while True:
            with translate_aws_errors(self, "polly:ListLexicons"):
                page = self.client.list_lexicons(**_given(NextToken=token))
            yield from collection_in(page, "Lexicons", [])
            if not (token := page.get("NextToken")):
                return

    def delete_lexicon(self, name: str) -> None:
        """Delete a pronunciation lexicon.

        :param name: name of the lexicon
        :raises PollyLexiconNotFoundError: no lexicon has this name in this region
        """
        with translate_aws_errors(self, "polly:DeleteLexicon", name):
            self.client.delete_lexicon(Name=name)

    def tag_resource(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Set tags on a lexicon.

        :param resource_arn: ARN of the lexicon
        :param tags: tag values by tag key
        """
        with translate_aws_errors(self, "polly:TagResource"):
            self._tagging_client.tag_resource(ResourceArn=resource_arn, Tags=tags)

    def untag_resource(self, resource_arn: str, tag_keys: Sequence[str]) -> None:
        """Remove tags from a lexicon.

        :param resource_arn: ARN of the lexicon
        :param tag_keys: keys of the tags to remove
        """
        with translate_aws_errors(self, "polly:UntagResource"):
            self._tagging_client.untag_resource(ResourceArn=resource_arn, TagKeys=tag_keys)

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        """Return the tags of a lexicon: tag values by tag key.

        :param resource_arn: ARN of the lexicon
        :raises PollyIncompleteAnswerError: the response is incomplete
        """
        with translate_aws_errors(self, "polly:ListTagsForResource"):
            response = self._tagging_client.list_tags_for_resource(ResourceArn=resource_arn)
        tags: dict[str, str] = collection_in(response, "Tags", {})
        return tags


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}
