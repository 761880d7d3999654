from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.stub import Stubber

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyIncompleteAnswerError,
)
from airflow_polly_provider.hooks.polly import NOT_CALLABLE, PollyHook
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from tests.unit.support import ADITI, AMY, MODEL, PAGE, Refusal, Truncated, connection, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.support import Answer, Wire

REQUEST = {"OutputFormat": "mp3", "OutputS3BucketName": "bucket", "Text": "Hello", "VoiceId": "Amy"}

OPERATIONS: dict[str, Callable[[PollyHook], Any]] = {
    "polly:GetSpeechSynthesisTask": lambda hook: hook.get_speech_synthesis_task("t1"),
    "polly:StartSpeechSynthesisTask": lambda hook: hook.start_speech_synthesis_task(REQUEST),
    "polly:ListSpeechSynthesisTasks": lambda hook: list(hook.list_speech_synthesis_tasks()),
}
SUPPORTS_TAGS = "TagResource" in MODEL.operation_names

each_operation = pytest.mark.parametrize(("action", "call"), OPERATIONS.items(), ids=OPERATIONS)


class TestCoverage:
    """The expected operations come from the installed botocore, so that a new operation fails a test."""

    @pytest.mark.parametrize("operation", sorted(set(MODEL.operation_names) - NOT_CALLABLE))
    def test_each_operation_of_polly_has_a_method(self, operation: str) -> None:
        assert callable(getattr(PollyHook, xform_name(operation), None)), (
            f"The hook has no method for {operation}: add one, or list it in NOT_CALLABLE if boto3 lacks it."
        )

    @pytest.mark.parametrize("operation", sorted(NOT_CALLABLE))
    def test_botocores_client_has_no_operation_that_is_listed_as_not_callable(
        self, aws_default: None, operation: str
    ) -> None:
        assert not hasattr(PollyHook().client, xform_name(operation)), (
            f"botocore can call {operation} now: add a method to the hook, and remove it from NOT_CALLABLE."
        )


class TestOperations:
    def test_get_returns_every_field_of_the_response(self, aws_default: None) -> None:
        hook = PollyHook()
        answer = synthesis_task(Engine="neural", TaskStatusReason="ok", SampleRate="22050")
        with Stubber(hook.client) as stubber:
            stubber.add_response("get_speech_synthesis_task", {"SynthesisTask": answer}, {"TaskId": "t1"})
            assert hook.get_speech_synthesis_task("t1") == answer

    def test_start_returns_the_synthesis_task(self, aws_default: None) -> None:
        hook = PollyHook()
        answer = synthesis_task(status="scheduled")
        with Stubber(hook.client_without_retries) as stubber:
            stubber.add_response("start_speech_synthesis_task", {"SynthesisTask": answer}, REQUEST)
            assert hook.start_speech_synthesis_task(REQUEST) == answer

    def test_list_requests_each_page_only_when_it_is_needed(self, wire: Wire) -> None:
        pages: dict[str | None, Answer] = {
            None: {"SynthesisTasks": [synthesis_task("t1"), synthesis_task("t2")], "NextToken": "n1"},
            "n1": {"SynthesisTasks": [], "NextToken": "n2"},
            "n2": {"SynthesisTasks": [synthesis_task("t3")]},
        }
        wire.answer = lambda request: pages[
            request.query["NextToken"][0] if "NextToken" in request.query else None
        ]
        tasks = PollyHook().list_speech_synthesis_tasks(status="completed", page_size=2)
        assert wire.requests == []
        assert next(tasks)["TaskId"] == "t1"
        assert len(wire.requests) == 1
        assert [task["TaskId"] for task in tasks] == ["t2", "t3"]
        assert [request.query["MaxResults"] for request in wire.requests] == [["2"]] * 3
        assert {request.query["Status"][0] for request in wire.requests} == {"completed"}

    def test_list_defaults_to_the_largest_page_and_every_status(self, wire: Wire) -> None:
        wire.answer = lambda _: {"SynthesisTasks": []}
        assert list(PollyHook().list_speech_synthesis_tasks()) == []
        assert wire.requests[0].query == {"MaxResults": ["100"]}

    @pytest.mark.parametrize("failure", ["5xx", "dropped", "throttled"])
    def test_start_is_sent_once_and_never_repeated_after_an_error(self, wire: Wire, failure: str) -> None:
        """If a response was lost, a repeated start would be billed again."""
        failures: dict[str, Answer] = {
            "5xx": Refusal("ServiceFailureException", 500),
            "dropped": ConnectionClosedError(endpoint_url="polly"),
            "throttled": Refusal("ThrottlingException"),
        }
        wire.answer = lambda _: failures[failure]
        with pytest.raises((ClientError, ConnectionClosedError)):
            PollyHook().start_speech_synthesis_task(REQUEST)
        assert len(wire.requests) == 1

    def test_botocore_retries_other_calls_unless_botocore_retries_is_false(self, wire: Wire) -> None:
        wire.script(Refusal("ServiceFailureException", 500), synthesis_task())
        assert PollyHook().get_speech_synthesis_task("t1")["TaskStatus"] == "completed"
        wire.script(Refusal("ServiceFailureException", 500), synthesis_task())
        with pytest.raises(ClientError):
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")
        assert len(wire.requests) == 3

    @each_operation
    def test_a_request_uses_the_endpoint_of_the_connection_and_the_region_of_the_hook(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, action: str, call: Callable[[PollyHook], Any]
    ) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1", endpoint_url="http://polly.test:1")
        )
        wire.answer = lambda request: (
            {"SynthesisTasks": []} if request.operation.startswith("List") else synthesis_task()
        )
        call(PollyHook(aws_conn_id="other", region_name="us-west-2"))
        (request,) = wire.requests
        assert f"polly:{request.operation}" == action
        assert request.url.startswith("http://polly.test:1/v1/synthesisTasks")
        assert request.region == "us-west-2"

    @pytest.mark.parametrize("botocore_retries", [True, False])
    @pytest.mark.parametrize("retries", [None, {"max_attempts": 7, "mode": "standard"}])
    def test_the_client_without_retries_keeps_the_rest_of_the_botocore_config(
        self, aws_default: None, botocore_retries: bool, retries: dict[str, Any] | None
    ) -> None:
        hook = PollyHook(
            config={"read_timeout": 7, "retries": retries}, verify=False, botocore_retries=botocore_retries
        )
        # botocore sets the options of a Config at run time, so its stubs declare none.
        config: Any = hook.client.meta.config
        without_retries: Any = hook.client_without_retries.meta.config
        assert config.read_timeout == 7
        assert without_retries.read_timeout == 7
        assert without_retries.retries["total_max_attempts"] == 1

    @pytest.mark.parametrize(
        ("extra", "config", "timeouts"),
        [
            ({}, None, (10, 10)),
            ({}, {"read_timeout": 60}, (10, 60)),
            ({"config_kwargs": {"connect_timeout": 3, "read_timeout": 60}}, None, (3, 60)),
        ],
        ids=["unset", "set in the configuration", "set in the connection"],
    )
    def test_the_default_timeout_applies_if_no_other_is_set(
        self,
        monkeypatch: pytest.MonkeyPatch,
        extra: dict[str, Any],
        config: dict[str, Any] | None,
        timeouts: tuple[int, int],
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1", **extra))
        hook = PollyHook(config=config, botocore_retries=False, default_timeout=10)
        used: Any = hook.client.meta.config
        assert (used.connect_timeout, used.read_timeout) == timeouts


def answering(hook: PollyHook, *answers: dict[str, Any]) -> Stubber:
    """Answer a hook's DescribeVoices requests in this order; any further request is an error."""
    stubber = Stubber(hook.client)
    for answer in answers:
        stubber.add_response("describe_voices", answer)
    stubber.activate()
    return stubber


class TestVoices:
    @pytest.fixture(autouse=True)
    def _empty_voice_cache(self, aws_default: None) -> Iterator[None]:
        VOICE_CACHE.clear()
        yield
        VOICE_CACHE.clear()

    def test_voices_requests_every_page_once_and_filters_in_memory(self) -> None:
        hook = PollyHook()
        stubber = Stubber(hook.client)
        stubber.add_response("describe_voices", {"Voices": [AMY], "NextToken": "n"}, {})
        stubber.add_response("describe_voices", {"Voices": [ADITI]}, {"NextToken": "n"})
        with stubber:
            assert hook.voices() == [AMY, ADITI]
            assert hook.voices(language_code="hi-IN") == [ADITI]
            assert hook.voices(language_code="en-GB", engine="neural") == [AMY]
            assert hook.voices(engine="generative") == []
            stubber.assert_no_pending_responses()

    def test_voices_returns_copies_so_that_changes_do_not_reach_the_cache(self) -> None:
        hook = PollyHook()
        answering(hook, {"Voices": [AMY]})
        hook.voices()[0]["SupportedEngines"].clear()
        assert hook.voices() == [AMY]

    def test_two_hooks_of_one_connection_share_one_cached_response(self) -> None:
        first, second = PollyHook(), PollyHook()
        answering(first, {"Voices": [AMY]})
        answering(second)
        assert first.voices() == second.voices()

    @pytest.mark.parametrize(
        "other",
        [{"region_name": "us-east-1"}, {"aws_conn_id": "other"}, {"aws_conn_id": "elsewhere"}],
        ids=["region", "connection", "endpoint"],
    )
    def test_each_connection_region_and_endpoint_has_its_own_cached_response(
        self, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))
        monkeypatch.setenv(
            "AIRFLOW_CONN_ELSEWHERE", connection(region_name="eu-west-1", endpoint_url="http://polly.test:1")
        )
        first, second = PollyHook(), PollyHook(**other)
        answering(first, {"Voices": [AMY]})
        answering(second, {"Voices": [ADITI]})
        assert (first.voices(), second.voices()) == ([AMY], [ADITI])
        assert (first.voices(), second.voices()) == ([AMY], [ADITI])

    def test_access_denied_names_the_permission_and_is_not_cached(self) -> None:
        hook = PollyHook()
        stubber = Stubber(hook.client)
        stubber.add_client_error("describe_voices", "AccessDeniedException", "no", 403)
        stubber.add_response("describe_voices", {"Voices": [AMY]})
        with stubber:
            with pytest.raises(PollyConfigurationError, match="Allow polly:DescribeVoices"):
                hook.voices()
            assert hook.voices() == [AMY]

    def test_throttling_passes_through_as_client_error(self) -> None:
        hook = PollyHook(botocore_retries=False)
        stubber = Stubber(hook.client)
        stubber.add_client_error("describe_voices", "ThrottlingException", "no", 400)
        with stubber, pytest.raises(ClientError):
            hook.voices()

    def test_a_truncated_response_is_an_error_and_is_not_cached(self) -> None:
        hook = PollyHook()
        answering(hook, {}, {"Voices": [AMY]})
        with pytest.raises(PollyIncompleteAnswerError):
            hook.voices()
        assert hook.voices() == [AMY]


class TestErrors:
    @each_operation
    def test_missing_region_names_the_connection_and_what_to_set(
        self, monkeypatch: pytest.MonkeyPatch, action: str, call: Callable[[PollyHook], Any]
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", connection())
        with pytest.raises(PollyConfigurationError) as error:
            call(PollyHook(aws_conn_id="nowhere"))
        for word in (action, "'nowhere' was found", "region_name", "AWS_DEFAULT_REGION"):
            assert word in str(error.value)

    def test_missing_credentials_without_the_default_connection_say_it_was_not_found(
        self, wire: Wire, no_default_connection: None
    ) -> None:
        hook = PollyHook(region_name="eu-west-1")
        with pytest.raises(PollyCredentialsError) as error:
            hook.get_speech_synthesis_task("t1")
        for word in ("No AWS credentials", "'aws_default' was not found", "own credential chain"):
            assert word in str(error.value)
        assert wire.requests == []

    def test_missing_credentials_in_a_known_connection_say_it_was_found(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_EMPTY", '{"conn_type": "aws", "extra": {"region_name": "eu-west-1"}}'
        )
        with pytest.raises(PollyCredentialsError, match="'empty' was found"):
            PollyHook(aws_conn_id="empty").get_speech_synthesis_task("t1")

    @pytest.mark.parametrize("aws_conn_id", [None, ""])
    def test_missing_credentials_without_a_connection_say_that_no_connection_was_requested(
        self, wire: Wire, aws_conn_id: str | None
    ) -> None:
        with pytest.raises(PollyCredentialsError, match="aws_conn_id is empty"):
            PollyHook(aws_conn_id=aws_conn_id, region_name="eu-west-1").get_speech_synthesis_task("t1")

    def test_without_the_default_connection_the_hook_uses_the_environment(
        self, wire: Wire, no_default_connection: None, credentials_in_environment: None
    ) -> None:
        assert PollyHook().get_speech_synthesis_task("t1")["TaskId"] == "t1"
        assert wire.requests[0].region == "eu-central-1"

    @each_operation
    @pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
    def test_access_denied_names_action_region_and_connection(
        self, wire: Wire, action: str, call: Callable[[PollyHook], Any], code: str
    ) -> None:
        aws_message = "User: arn:aws:iam::123456789012:user/x is not authorized."
        wire.answer = lambda _: Refusal(code, 403, aws_message)
        with pytest.raises(PollyConfigurationError) as error:
            call(PollyHook())
        for word in (f"Allow {action}", "eu-west-1", "'aws_default' was found", aws_message):
            assert word in str(error.value)

    def test_access_denied_without_the_default_connection_says_it_was_not_found(
        self, wire: Wire, no_default_connection: None, credentials_in_environment: None
    ) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="'aws_default' was not found"):
            PollyHook().get_speech_synthesis_task("t1")

    @each_operation
    @pytest.mark.parametrize("answer", [Truncated(), PAGE], ids=["cut short", "a proxy's page"])
    def test_a_response_that_is_not_pollys_is_an_error(
        self, wire: Wire, action: str, call: Callable[[PollyHook], Any], answer: Truncated
    ) -> None:
        """If it counted as an empty list, a retry would start and pay for a second synthesis task."""
        wire.answer = lambda _: answer
        with pytest.raises(PollyIncompleteAnswerError):
            call(PollyHook(botocore_retries=False))

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda hook: list(hook.list_lexicons()), id="lexicons"),
            pytest.param(
                lambda hook: hook.list_tags_for_resource("arn:aws:polly:::lexicon/x"),
                id="tags",
                marks=pytest.mark.skipif(not SUPPORTS_TAGS, reason="this botocore has no tag operations"),
            ),
        ],
    )
    def test_a_truncated_list_is_an_error(self, wire: Wire, call: Callable[[PollyHook], Any]) -> None:
        wire.answer = lambda _: Truncated()
        with pytest.raises(PollyIncompleteAnswerError):
            call(PollyHook())

    @pytest.mark.parametrize(
        "call",
        [
            lambda hook: hook.tag_resource("arn:aws:polly:::lexicon/x", {"a": "b"}),
            lambda hook: hook.untag_resource("arn:aws:polly:::lexicon/x", ["a"]),
            lambda hook: hook.list_tags_for_resource("arn:aws:polly:::lexicon/x"),
        ],
        ids=["set", "remove", "list"],
    )
    def test_a_tag_operation_that_botocore_lacks_is_an_error_that_says_to_upgrade(
        self, monkeypatch: pytest.MonkeyPatch, call: Callable[[PollyHook], Any]
    ) -> None:
        monkeypatch.setattr(PollyHook, "client", object())
        with pytest.raises(PollyConfigurationError, match=r"upgrade boto3 to 1\.43\.124"):
            call(PollyHook())
