from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.stub import Stubber

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyFinalError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import MODEL, Refusal, Truncated, connection, new_id, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support import Request, Wire

REQUEST = {"OutputFormat": "mp3", "OutputS3BucketName": "bucket", "Text": "Hello", "VoiceId": "Amy"}

OPERATIONS: dict[str, Callable[[PollyHook], Any]] = {
    "polly:GetSpeechSynthesisTask": lambda hook: hook.get_speech_synthesis_task("t1"),
    "polly:StartSpeechSynthesisTask": lambda hook: hook.start_speech_synthesis_task(REQUEST),
    "polly:ListSpeechSynthesisTasks": lambda hook: list(hook.list_speech_synthesis_tasks()),
}
KNOWS_TAGS = "TagResource" in MODEL.operation_names

each_operation = pytest.mark.parametrize(("action", "call"), OPERATIONS.items(), ids=OPERATIONS)


@pytest.fixture
def unknown_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is known, and the environment has keys and a region."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


class TestOperations:
    def test_get_returns_every_field_that_the_service_gives(self, aws_default: None) -> None:
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

    def test_list_pages_by_itself_and_asks_for_a_page_when_it_is_wanted(self, wire: Wire) -> None:
        pages = {
            None: {"SynthesisTasks": [synthesis_task("t1"), synthesis_task("t2")], "NextToken": "n1"},
            "n1": {"SynthesisTasks": [], "NextToken": "n2"},
            "n2": {"SynthesisTasks": [synthesis_task("t3")]},
        }
        wire.answer = lambda request: pages[request.query.get("NextToken", [None])[0]]
        tasks = PollyHook().list_speech_synthesis_tasks(status="completed", page_size=2)
        assert wire.requests == []
        assert next(tasks)["TaskId"] == "t1"
        assert len(wire.requests) == 1
        assert [task["TaskId"] for task in tasks] == ["t2", "t3"]
        assert [request.query["MaxResults"] for request in wire.requests] == [["2"]] * 3
        assert {request.query["Status"][0] for request in wire.requests} == {"completed"}

    def test_list_asks_for_the_largest_page_of_every_status_unless_told(self, wire: Wire) -> None:
        wire.answer = lambda _: {"SynthesisTasks": []}
        assert list(PollyHook().list_speech_synthesis_tasks()) == []
        assert wire.requests[0].query == {"MaxResults": ["100"]}

    @pytest.mark.parametrize("trouble", ["5xx", "dropped", "throttled"])
    def test_start_is_sent_once_whatever_happens(self, wire: Wire, trouble: str) -> None:
        """Each repetition of a start whose answer was lost would be billed."""
        troubles = {
            "5xx": Refusal("ServiceFailureException", 500),
            "dropped": ConnectionClosedError(endpoint_url="polly"),
            "throttled": Refusal("ThrottlingException"),
        }
        wire.answer = lambda _: troubles[trouble]
        with pytest.raises((ClientError, ConnectionClosedError)):
            PollyHook().start_speech_synthesis_task(REQUEST)
        assert len(wire.requests) == 1

    def test_botocore_repeats_other_calls_unless_told(self, wire: Wire) -> None:
        wire.script(Refusal("ServiceFailureException", 500), synthesis_task())
        assert PollyHook().get_speech_synthesis_task("t1")["TaskStatus"] == "completed"
        wire.script(Refusal("ServiceFailureException", 500), synthesis_task())
        with pytest.raises(ClientError):
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")
        assert len(wire.requests) == 3

    @each_operation
    def test_settings_reach_the_request(
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
    def test_config_survives_switching_retries_off(
        self, aws_default: None, botocore_retries: bool, retries: dict[str, Any] | None
    ) -> None:
        hook = PollyHook(
            config={"read_timeout": 7, "retries": retries}, verify=False, botocore_retries=botocore_retries
        )
        assert hook.client.meta.config.read_timeout == 7
        assert hook.client_without_retries.meta.config.read_timeout == 7
        assert hook.client_without_retries.meta.config.retries["total_max_attempts"] == 1

    @pytest.mark.parametrize(
        ("extra", "config", "timeouts"),
        [
            ({}, None, (10, 10)),
            ({}, {"read_timeout": 60}, (10, 60)),
            ({"config_kwargs": {"connect_timeout": 3, "read_timeout": 60}}, None, (3, 60)),
        ],
        ids=["unset", "set in the configuration", "set in the connection"],
    )
    def test_default_timeout_holds_where_no_other_is_set(
        self,
        monkeypatch: pytest.MonkeyPatch,
        extra: dict[str, Any],
        config: dict[str, Any] | None,
        timeouts: tuple[int, int],
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1", **extra))
        hook = PollyHook(config=config, botocore_retries=False, default_timeout=10)
        used = hook.client.meta.config
        assert (used.connect_timeout, used.read_timeout) == timeouts


class TestErrors:
    @each_operation
    def test_no_region_names_connection_and_what_to_set(
        self, monkeypatch: pytest.MonkeyPatch, action: str, call: Callable[[PollyHook], Any]
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", connection())
        with pytest.raises(PollyConfigurationError) as error:
            call(PollyHook(aws_conn_id="nowhere"))
        for word in (action, "'nowhere' was found", "region_name", "AWS_DEFAULT_REGION"):
            assert word in str(error.value)

    def test_no_credentials_with_an_unknown_connection_says_it_was_not_found(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook = PollyHook(aws_conn_id="misspelt", region_name="eu-west-1")
        with pytest.raises(PollyCredentialsError) as error:
            hook.get_speech_synthesis_task("t1")
        for word in ("No AWS credentials", "'misspelt' was not found", "own credential chain"):
            assert word in str(error.value)
        assert wire.requests == []

    def test_no_credentials_in_a_connection_says_it_was_found(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_EMPTY", '{"conn_type": "aws", "extra": {"region_name": "eu-west-1"}}'
        )
        with pytest.raises(PollyCredentialsError, match="'empty' was found"):
            PollyHook(aws_conn_id="empty").get_speech_synthesis_task("t1")

    @pytest.mark.parametrize("aws_conn_id", [None, ""])
    def test_no_connection_asked_for_says_so(self, wire: Wire, aws_conn_id: str | None) -> None:
        with pytest.raises(PollyCredentialsError, match="no connection was asked for"):
            PollyHook(aws_conn_id=aws_conn_id, region_name="eu-west-1").get_speech_synthesis_task("t1")

    def test_unknown_connection_falls_back_to_the_environment(
        self, wire: Wire, unknown_connection: None
    ) -> None:
        assert PollyHook(aws_conn_id="misspelt").get_speech_synthesis_task("t1")["TaskId"] == "t1"
        assert wire.requests[0].region == "eu-central-1"

    @each_operation
    @pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied"])
    def test_access_denied_names_action_region_and_connection(
        self, wire: Wire, action: str, call: Callable[[PollyHook], Any], code: str
    ) -> None:
        told = "User: arn:aws:iam::123456789012:user/x is not authorized."
        wire.answer = lambda _: Refusal(code, 403, told)
        with pytest.raises(PollyConfigurationError) as error:
            call(PollyHook())
        for word in (f"Allow {action}", "eu-west-1", "'aws_default' was found", told):
            assert word in str(error.value)

    def test_access_denied_says_that_the_connection_was_not_found(
        self, wire: Wire, unknown_connection: None
    ) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="'misspelt' was not found"):
            PollyHook(aws_conn_id="misspelt").get_speech_synthesis_task("t1")

    @pytest.mark.parametrize(
        "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
    )
    def test_refused_credentials_may_be_retried(self, wire: Wire, code: str) -> None:
        wire.answer = lambda _: Refusal(code, 403, "too old")
        with pytest.raises(PollyCredentialsError) as error:
            PollyHook().get_speech_synthesis_task("t1")
        assert not isinstance(error.value, PollyFinalError)
        for word in (code, "too old", "'aws_default' was found", "Renew"):
            assert word in str(error.value)

    def test_unknown_id_names_the_72_hours_and_the_region(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("SynthesisTaskNotFoundException", 400)
        with pytest.raises(PollySynthesisTaskNotFoundError) as error:
            PollyHook().get_speech_synthesis_task(new_id())
        for word in ("72 hours", "eu-west-1", "'aws_default' was found"):
            assert word in str(error.value)

    @pytest.mark.parametrize(
        ("code", "status"),
        [("InvalidSsmlException", 400), ("ValidationException", 400), ("LexiconNotFoundException", 404)],
    )
    def test_a_refused_request_is_final_and_gives_pollys_words(
        self, wire: Wire, code: str, status: int
    ) -> None:
        wire.answer = lambda _: Refusal(code, status, "because of that")
        with pytest.raises(PollyInvalidRequestError, match=rf"{code}.*because of that"):
            PollyHook().start_speech_synthesis_task(REQUEST)

    @pytest.mark.parametrize(
        "passing",
        [
            Refusal("ThrottlingException", 400),
            Refusal("TooManyRequestsException", 429),
            Refusal("ServiceFailureException", 500),
            Refusal("ServiceUnavailable", 503),
        ],
    )
    def test_what_says_nothing_about_the_request_passes(self, wire: Wire, passing: Refusal) -> None:
        wire.answer = lambda _: passing
        with pytest.raises(ClientError) as error:
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")
        assert error.value.response["Error"]["Code"] == passing.code

    def test_time_outs_pass(self, wire: Wire) -> None:
        wire.answer = lambda _: ReadTimeoutError(endpoint_url="polly")
        with pytest.raises(ReadTimeoutError):
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")

    @each_operation
    def test_an_answer_cut_short_is_an_error(
        self, wire: Wire, action: str, call: Callable[[PollyHook], Any]
    ) -> None:
        """Read as an empty list, it would have a start whose answer was lost made, and billed, once more."""
        wire.answer = lambda _: Truncated()
        with pytest.raises(PollyIncompleteAnswerError):
            call(PollyHook(botocore_retries=False))

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param(lambda hook: list(hook.list_lexicons()), id="lexicons"),
            pytest.param(
                lambda hook: hook.list_tags_for_resource("arn:aws:polly:::lexicon/x"),
                id="tags",
                marks=pytest.mark.skipif(not KNOWS_TAGS, reason="this botocore knows no tags"),
            ),
        ],
    )
    def test_a_list_cut_short_is_an_error(self, wire: Wire, call: Callable[[PollyHook], Any]) -> None:
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
    def test_tags_on_a_botocore_that_knows_none_ask_for_a_newer_one(
        self, monkeypatch: pytest.MonkeyPatch, call: Callable[[PollyHook], Any]
    ) -> None:
        monkeypatch.setattr(PollyHook, "client", object())
        with pytest.raises(PollyConfigurationError, match="Upgrade boto3"):
            call(PollyHook())

    def test_no_error_tells_a_secret(self, wire: Wire) -> None:
        def refuse(request: Request) -> Refusal:
            return Refusal("AccessDeniedException", 403)

        wire.answer = refuse
        with pytest.raises(PollyConfigurationError) as error:
            PollyHook().start_speech_synthesis_task(REQUEST)
        assert "secret" not in str(error.value)
        assert REQUEST["Text"] not in str(error.value)
