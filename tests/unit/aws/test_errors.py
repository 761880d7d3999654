from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyFinalError,
    PollyInvalidRequestError,
    PollySynthesisTaskNotFoundError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import Refusal, new_id

if TYPE_CHECKING:
    from tests.unit.support import Wire

REQUEST = {"OutputFormat": "mp3", "OutputS3BucketName": "bucket", "Text": "Hello", "VoiceId": "Amy"}


class TestErrors:
    @pytest.mark.parametrize(
        "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
    )
    def test_credentials_that_aws_refuses_are_an_error_that_airflow_retries(
        self, wire: Wire, code: str
    ) -> None:
        wire.answer = lambda _: Refusal(code, 403, "too old")
        with pytest.raises(PollyCredentialsError) as error:
            PollyHook().get_speech_synthesis_task("t1")
        assert not isinstance(error.value, PollyFinalError)
        for word in (code, "too old", "'aws_default' was found", "Renew"):
            assert word in str(error.value)

    def test_an_unknown_id_names_the_72_hours_and_the_region(self, wire: Wire) -> None:
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

    def test_a_403_that_is_not_awss_own_does_not_ask_for_a_permission(self, wire: Wire) -> None:
        """A proxy's page has no error code, and botocore takes the HTTP status for one."""
        wire.answer = lambda _: Refusal("403", 403, "blocked by the proxy")
        with pytest.raises(PollyInvalidRequestError, match=r"403.*blocked by the proxy"):
            PollyHook().get_speech_synthesis_task("t1")

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
