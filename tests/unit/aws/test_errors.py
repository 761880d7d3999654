from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from airflow_polly_provider.aws.errors import is_service_failure
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyFinalError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import CREATED, UNUSABLE, Refusal, Truncated, new_id, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support import Wire

REQUEST = {"OutputFormat": "mp3", "OutputS3BucketName": "bucket", "Text": "Hello", "VoiceId": "Amy"}


class TestErrors:
    @pytest.mark.parametrize(
        "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
    )
    def test_refused_credentials_raise_an_error_that_airflow_retries(self, wire: Wire, code: str) -> None:
        wire.answer = lambda _: Refusal(code, 403, "too old")
        with pytest.raises(PollyCredentialsError) as error:
            PollyHook().get_speech_synthesis_task("t1")
        assert not isinstance(error.value, PollyFinalError)
        for word in (code, "too old", "'aws_default' was found", "Renew"):
            assert word in str(error.value)

    def test_the_error_for_an_unknown_id_names_the_72_hours_and_the_region(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("SynthesisTaskNotFoundException", 400)
        with pytest.raises(PollySynthesisTaskNotFoundError) as error:
            PollyHook().get_speech_synthesis_task(new_id())
        for word in ("72 hours", "eu-west-1", "'aws_default' was found"):
            assert word in str(error.value)

    @pytest.mark.parametrize(
        ("code", "status"),
        [("InvalidSsmlException", 400), ("ValidationException", 400), ("LexiconNotFoundException", 404)],
    )
    def test_a_refused_request_is_final_and_quotes_pollys_message(
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
    def test_throttling_and_server_errors_pass_through_as_client_errors(
        self, wire: Wire, passing: Refusal
    ) -> None:
        wire.answer = lambda _: passing
        with pytest.raises(ClientError) as error:
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")
        assert error.value.response["Error"]["Code"] == passing.code

    @pytest.mark.parametrize("status", [301, 400, 403, 404, 407, 413])
    def test_an_answer_that_is_not_in_awss_format_does_not_count_as_a_refused_request(
        self, wire: Wire, status: int
    ) -> None:
        """A proxy's page has no error code; botocore then reports the HTTP status as the code."""
        wire.answer = lambda _: Truncated(b"<html>Blocked\nby the proxy</html>", status)
        with pytest.raises(PollyIncompleteAnswerError, match=rf"{status}.*Blocked by the proxy") as error:
            PollyHook().get_speech_synthesis_task("t1")
        assert "a proxy between Airflow and AWS" in str(error.value)

    @pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE)
    @pytest.mark.parametrize("method", ["get", "list", "start"])
    def test_an_unusable_answer_does_not_count_as_a_refused_request(
        self, wire: Wire, method: str, answer: Truncated
    ) -> None:
        wire.answer = lambda _: answer
        hook = PollyHook(botocore_retries=False)
        calls: dict[str, Callable[[], object]] = {
            "get": lambda: hook.get_speech_synthesis_task("t1"),
            "list": hook.list_speech_synthesis_tasks_page,
            "start": lambda: hook.start_speech_synthesis_task(REQUEST),
        }
        if method != "get" and answer.status == 200:
            # A defect in one operation's answer may not affect another operation.
            with suppress(PollyIncompleteAnswerError):
                calls[method]()
            return
        with pytest.raises((PollyIncompleteAnswerError, ClientError)) as error:
            calls[method]()
        assert not isinstance(error.value, ClientError) or is_service_failure(error.value)

    @pytest.mark.parametrize("code", ["IDPCommunicationError", "InvalidIdentityToken", "IDPRejectedClaim"])
    def test_a_failed_attempt_to_assume_a_role_raises_a_credentials_error(
        self, wire: Wire, code: str
    ) -> None:
        """The identity provider may recover: a wait retries credential errors for 15 minutes."""
        response: Any = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        wire.answer = lambda _: ClientError(response, "AssumeRoleWithWebIdentity")
        with pytest.raises(PollyCredentialsError, match=f"sts:AssumeRoleWithWebIdentity .*{code}: no"):
            PollyHook().get_speech_synthesis_task("t1")

    def test_a_time_without_a_zone_is_read_as_utc(self, wire: Wire) -> None:
        record = b'{"TaskId": "t1", "TaskStatus": "completed", "CreationTime": "2025-01-02T03:04:05"}'
        wire.answer = lambda _: Truncated(b'{"SynthesisTask": %b, "SynthesisTasks": [%b]}' % (record, record))
        (listed,) = PollyHook().list_speech_synthesis_tasks()
        assert (
            listed["CreationTime"] == PollyHook().get_speech_synthesis_task("t1")["CreationTime"] == CREATED
        )

    def test_listed_records_that_are_unusable_are_skipped_with_a_warning(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        records = b'[null, {}, {"TaskId": 5}, {"TaskId": "t1", "TaskStatus": "completed"}, {"TaskId": "t2"}]'
        wire.answer = lambda _: Truncated(b'{"SynthesisTasks": ' + records + b"}")
        listed = list(PollyHook().list_speech_synthesis_tasks())
        assert listed == [{"TaskId": "t1", "TaskStatus": "completed"}]
        assert warnings_in(caplog) == ["Ignoring 4 listed synthesis tasks without TaskId or TaskStatus"]

    def test_timeouts_pass_through(self, wire: Wire) -> None:
        wire.answer = lambda _: ReadTimeoutError(endpoint_url="polly")
        with pytest.raises(ReadTimeoutError):
            PollyHook(botocore_retries=False).get_speech_synthesis_task("t1")

    def test_an_error_contains_neither_credentials_nor_the_text(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError) as error:
            PollyHook().start_speech_synthesis_task(REQUEST)
        assert "secret" not in str(error.value)
        assert REQUEST["Text"] not in str(error.value)
