"""The hook: one typed method for each Polly operation that boto3 can call, nothing else."""

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
from airflow_polly_provider.request.voices import matching_voices

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

MAX_TASKS_PER_PAGE = 100
"""SynthesisTasks that one answer of ListSpeechSynthesisTasks can hold.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_ListSpeechSynthesisTasks.html
"""

NOT_CALLABLE = frozenset({"StartSpeechSynthesisStream"})
"""The operations that botocore's model has and its clients lack: they need HTTP/2, which botocore has not."""


class PollyHook(NamedConnectionHook):
    """Talk to Amazon Polly with an Airflow AWS connection.

    Each method wraps one Polly operation and returns its result. StartSpeechSynthesisStream is missing: it
    needs HTTP/2, so botocore removes it from its clients. Besides the errors named there, each method raises
    :class:`~airflow_polly_provider.exceptions.PollyConfigurationError` if a region or a permission is
    missing, :class:`~airflow_polly_provider.exceptions.PollyCredentialsError` if credentials are missing or
    refused, and :class:`~airflow_polly_provider.exceptions.PollyIncompleteAnswerError` if the answer cannot
    be read or is not in AWS's format. botocore's own errors for throttling, 5xx answers and a broken network
    pass through.

    :param aws_conn_id: the AWS connection; None or empty, or ``aws_default`` where it does not exist, falls
        back to boto3's own credential chain; any other that does not exist is an error
    :param region_name: AWS region; from the connection or the environment unless given
    :param verify: whether to verify TLS certificates, or the path of a CA bundle
    :param config: botocore configuration, as a mapping or a ``botocore.config.Config``
    :param botocore_retries: whether botocore repeats requests by itself; off for callers that count them
    :param look_up_seconds: how long to look again for a connection that is not found, blocking; 30 unless
        given
    :param default_timeout: seconds to wait for a connection and for an answer, where neither ``config`` nor
        the connection says so and botocore's retries are off; botocore's own default is 60
    """

    def __init__(
        self, *args: Any, botocore_retries: bool = True, default_timeout: float | None = None, **kwargs: Any
    ) -> None:
        kwargs["client_type"] = "polly"
        try:
            super().__init__(*args, **kwargs)
        except TypeError as error:
            raise PollyConfigurationError(f"botocore_config is refused by botocore: {error}") from error
        self.botocore_retries = botocore_retries
        self.default_timeout = default_timeout

    @property
    def client(self) -> PollyClient:
        """The boto3 client, made at the first use."""
        client: PollyClient = self.conn if self.botocore_retries else self.client_without_retries
        return client

    @property
    def _tagging_client(self) -> Any:
        """The client for the operations on tags, which the published types do not know yet."""
        client: Any = self.client
        if not hasattr(client, "tag_resource"):
            raise PollyConfigurationError(f"Tags need Polly's TagResource. {upgrade_hint('TagResource')}")
        return client

    @cached_property
    def client_without_retries(self) -> PollyClient:
        """The same client with botocore's own retries off, for calls whose repetition we decide."""
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
        """Forget connection, credentials and client, so that the next call looks them up anew."""
        for cached in ("conn_config", "conn", "_client", "client_without_retries"):
            self.__dict__.pop(cached, None)

    def get_speech_synthesis_task(self, synthesis_task_id: str) -> SynthesisTaskTypeDef:
        """Return what Polly knows of a synthesis task: every field that the service gives.

        :param synthesis_task_id: Polly's ``TaskId``
        :raises PollySynthesisTaskNotFoundError: Polly does not know the id (any more) in this region
        :raises PollyInvalidRequestError: the id is malformed
        :raises PollyIncompleteAnswerError: the answer was cut short
        """
        with translate_aws_errors(self, "polly:GetSpeechSynthesisTask", synthesis_task_id):
            response = self.client.get_speech_synthesis_task(TaskId=synthesis_task_id)
        return synthesis_task_in(response, "TaskId", "TaskStatus")

    def start_speech_synthesis_task(self, request: Mapping[str, Any]) -> SynthesisTaskTypeDef:
        """Start a synthesis task and return it.

        botocore's own retries are off: the operation has no client token, so that each repetition of a
        request whose answer was lost starts, and bills, another synthesis task.

        :param request: StartSpeechSynthesisTask's parameters in AWS's own names
        :raises PollyInvalidRequestError: Polly refuses the request (SSML, bucket, voice, …)
        :raises PollyIncompleteAnswerError: the answer was cut short; the synthesis task was started
        """
        with translate_aws_errors(self, "polly:StartSpeechSynthesisTask"):
            response = self.client_without_retries.start_speech_synthesis_task(**request)
        return synthesis_task_in(response, "TaskId")

    def list_speech_synthesis_tasks(
        self, *, status: TaskStatusType | None = None, page_size: int = MAX_TASKS_PER_PAGE
    ) -> Iterator[SynthesisTaskTypeDef]:
        """Iterate over the account's synthesis tasks of the last 72 hours in this region.

        Lazy: a page is asked for when its first task is wanted.

        :param status: only tasks with this TaskStatus
        :param page_size: tasks for each request, 1 to 100
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
        """Return one page of the account's synthesis tasks: one request, for callers that count them.

        botocore's own retries are off.

        :param status: only tasks with this TaskStatus
        :param page_size: tasks, 1 to 100
        :param next_token: ``NextToken`` of the page before
        :raises PollyIncompleteAnswerError: the answer was cut short
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
        """Speak a short text at once: up to 3,000 billed and 6,000 total characters, 10 minutes of audio.

        ``AudioStream`` of the result is a stream; read it in chunks and close it. botocore's own retries are
        off: each repetition of a request whose answer was lost is spoken, and billed, once more.

        :param request: SynthesizeSpeech's parameters in AWS's own names
        :raises PollyInvalidRequestError: Polly refuses the request
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
        """Iterate over the voices of this region, page by page.

        :param engine: only voices of this engine
        :param language_code: only voices of this language
        :param include_additional_language_codes: with ``language_code``, bilingual voices too
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
        """Return the voices for a language and an engine in this region, from DescribeVoices or memory.

        An answer is kept in this process for an hour, for each connection and region.

        :param language_code: such as ``en-GB``; bilingual voices that speak it count; None for any
        :param engine: such as ``neural``; None for any
        """
        source = VoiceSource(self.aws_conn_id, self.asked_region, self.client.meta.endpoint_url)
        voices = VOICE_CACHE.voices_of(source, self.describe_voices)
        return copy.deepcopy(matching_voices(voices, language_code=language_code, engine=engine))

    def put_lexicon(self, name: str, content: str) -> None:
        """Store a pronunciation lexicon under a name, in place of one that is there.

        :param name: 1 to 20 letters and digits
        :param content: a PLS document
        :raises PollyInvalidRequestError: Polly refuses the lexicon
        """
        with translate_aws_errors(self, "polly:PutLexicon", name):
            self.client.put_lexicon(Name=name, Content=content)

    def get_lexicon(self, name: str) -> GetLexiconOutputTypeDef:
        """Return a pronunciation lexicon: its content and its attributes.

        :param name: the lexicon's name
        :raises PollyLexiconNotFoundError: there is none of that name in this region
        :raises PollyIncompleteAnswerError: the answer was cut short
        """
        with translate_aws_errors(self, "polly:GetLexicon", name):
            response = self.client.get_lexicon(Name=name)
        member_of(response, "Lexicon")
        return response

    def list_lexicons(self) -> Iterator[LexiconDescriptionTypeDef]:
        """Iterate over the account's pronunciation lexicons in this region, page by page.

        :raises PollyIncompleteAnswerError: an answer was cut short
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

        :param name: the lexicon's name
        :raises PollyLexiconNotFoundError: there is none of that name in this region
        """
        with translate_aws_errors(self, "polly:DeleteLexicon", name):
            self.client.delete_lexicon(Name=name)

    def tag_resource(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Set tags on a lexicon.

        :param resource_arn: the lexicon's ARN
        :param tags: values by key
        """
        with translate_aws_errors(self, "polly:TagResource"):
            self._tagging_client.tag_resource(ResourceArn=resource_arn, Tags=tags)

    def untag_resource(self, resource_arn: str, tag_keys: Sequence[str]) -> None:
        """Remove tags from a lexicon.

        :param resource_arn: the lexicon's ARN
        :param tag_keys: which tags
        """
        with translate_aws_errors(self, "polly:UntagResource"):
            self._tagging_client.untag_resource(ResourceArn=resource_arn, TagKeys=tag_keys)

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        """Return the tags of a lexicon, values by key.

        :param resource_arn: the lexicon's ARN
        :raises PollyIncompleteAnswerError: the answer was cut short
        """
        with translate_aws_errors(self, "polly:ListTagsForResource"):
            response = self._tagging_client.list_tags_for_resource(ResourceArn=resource_arn)
        tags: dict[str, str] = collection_in(response, "Tags", {})
        return tags


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}
