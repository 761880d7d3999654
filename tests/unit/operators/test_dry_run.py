"""``dry_run``: the operators check and report; the Stubber refuses any request that is not expected."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
from airflow_polly_provider.compat import DAG, Asset
from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyInvalidRequestError,
    PollyLexiconNotFoundError,
)
from airflow_polly_provider.hooks.voice_cache import VOICE_CACHE
from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from tests.unit.support import AMY, context, execute, start_operator, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "site/alice.mp3"
LEXICON = {"Lexicon": {"Name": "places", "Content": "<lexicon/>"}, "LexiconAttributes": {}}
REPORT = {
    "DryRun": True,
    "Engine": "standard",
    "VoiceId": "Amy",
    "OutputFormat": "mp3",
    "RequestCharacters": 11,
    "SpokenCharacters": 11,
}

pytestmark = pytest.mark.usefixtures("aws_default")


def synthesize_operator(**given: Any) -> PollySynthesizeSpeechOperator:
    arguments: dict[str, Any] = {"output_s3_bucket_name": "my-bucket", "output_s3_key": KEY} | given
    return PollySynthesizeSpeechOperator(
        **{"task_id": "speak", "text": "Hello there", "voice_id": "Amy", **arguments}
    )


both = pytest.mark.parametrize("make", [start_operator, synthesize_operator], ids=["start", "synthesize"])


@contextmanager
def polly_of(operator: Any) -> Iterator[Stubber]:
    """Answer the operator's Polly requests, and refuse each one that the test does not expect.

    Requests that botocore must not repeat use another client, which refuses all of them.
    """
    hook = operator.hook
    with Stubber(hook.client) as stubber, Stubber(hook.client_without_retries):
        yield stubber
        stubber.assert_no_pending_responses()


@contextmanager
def s3_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """Answer the process's S3 requests, and refuse each one that the test does not expect."""
    client = NamedConnectionS3Hook(aws_conn_id="aws_default").get_conn()
    monkeypatch.setattr(NamedConnectionS3Hook, "get_client_type", lambda *_, **__: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def dry_run(operator: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run an operator without answering any request; return its result and its XComs."""
    running_context = context()
    with polly_of(operator):
        value = execute(operator, running_context)
    return value, running_context["ti"].pushed


class TestReport:
    @both
    def test_has_the_characters_and_sends_no_request(self, make: Any) -> None:
        value, pushed = dry_run(make(dry_run=True))
        assert value == REPORT
        assert json.loads(json.dumps(value)) == value
        assert pushed == {"RequestCharacters": 11, "SpokenCharacters": 11}

    @both
    def test_has_the_cost_if_the_engine_has_a_price(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"neural": 12.5}')
        value, pushed = dry_run(make(dry_run=True, engine="neural"))
        assert value == REPORT | {"Engine": "neural", "EstimatedCost": 0.000138}
        assert pushed["EstimatedCost"] == 0.000138

    @both
    def test_is_not_pushed_with_do_xcom_push_false(self, make: Any) -> None:
        assert dry_run(make(dry_run=True, do_xcom_push=False))[1] == {}

    @both
    def test_is_logged_without_the_text(self, make: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        dry_run(make(dry_run=True))
        assert "Dry run: Polly would bill 11 characters (engine standard, voice Amy)" in caplog.text
        assert "Hello" not in caplog.text

    @both
    def test_keeps_outlets_from_airflow_so_that_no_asset_event_follows(self, make: Any) -> None:
        operator = make(dry_run=True, outlets=[Asset(uri="s3://my-bucket/audio")])
        dry_run(operator)
        assert operator.outlets == []

    def test_of_a_task_decorator_contains_the_characters_of_the_returned_text(self) -> None:
        def text() -> str:
            return "Hello"

        with DAG("speaking", start_date=datetime(2025, 1, 1), schedule=None):
            task: Any = polly_task(voice_id="Amy", output_s3_bucket_name="my-bucket", dry_run=True)(text)()
        assert dry_run(task.operator)[0]["RequestCharacters"] == 5

    def test_of_a_synthesis_that_writes_a_file_creates_no_folder(self, tmp_path: Any) -> None:
        folder = tmp_path / "new"
        operator = PollySynthesizeSpeechOperator(
            task_id="speak", text="Hello", voice_id="Amy", output_path=f"file://{folder}/a.mp3", dry_run=True
        )
        dry_run(operator)
        assert not folder.exists()


class TestChecks:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"text": " "}, "text is empty"),
            ({"max_request_characters": 10}, "Polly would bill 11 characters"),
            ({"sample_rate": 1}, "sample_rate '1' is not valid"),
            ({"output_s3_key": "folder/"}, "is a folder"),
            ({"output_s3_bucket_name": "Not A Bucket"}, "the name of an S3 bucket"),
        ],
    )
    @both
    def test_of_a_real_run_are_made(self, make: Any, given: dict[str, Any], words: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            dry_run(make(dry_run=True, **given))

    def test_of_the_token_are_made(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="output_s3_key_prefix is too long"):
            dry_run(start_operator(dry_run=True, output_s3_key_prefix="x" * 790))

    @both
    def test_of_the_voice_are_made_with_check_voice(self, make: Any) -> None:
        VOICE_CACHE.clear()
        operator = make(dry_run=True, check_voice=True, engine="generative")
        with polly_of(operator) as polly:
            polly.add_response("describe_voices", {"Voices": [AMY]})
            with pytest.raises(PollyInvalidRequestError, match="supports the engines"):
                execute(operator)
        VOICE_CACHE.clear()

    @both
    def test_of_the_lexicons_are_made(self, make: Any) -> None:
        operator = make(dry_run=True, lexicon_names=["places", "missing"])
        with polly_of(operator) as polly:
            polly.add_response("get_lexicon", LEXICON, {"Name": "places"})
            polly.add_client_error("get_lexicon", "LexiconNotFoundException", "no", 404)
            with pytest.raises(PollyLexiconNotFoundError, match="missing"):
                execute(operator)

    @both
    def test_of_the_lexicons_are_left_out_with_a_warning_if_aws_denies_them(
        self, make: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The request itself does not need the permission to read a lexicon."""
        operator = make(dry_run=True, lexicon_names=["places"])
        with polly_of(operator) as polly:
            polly.add_client_error("get_lexicon", "AccessDeniedException", "no", 403)
            assert execute(operator)["RequestCharacters"] == 11
        (warning,) = warnings_in(caplog)
        assert "Cannot check whether lexicon places exists" in warning


class TestUnchanged:
    def run(self, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str] | None, **given: Any) -> Any:
        operator = start_operator(dry_run=True, output_s3_key=KEY, **given)
        with polly_of(operator), s3_of(monkeypatch) as s3:
            if metadata is None:
                s3.add_client_error("head_object", "404", http_status_code=404)
            else:
                s3.add_response("head_object", {"Metadata": metadata}, {"Bucket": "my-bucket", "Key": KEY})
            return execute(operator)

    def metadata(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """Return the metadata of an object that was made from the request of these tests."""
        seen: list[str] = []
        original = PollyStartSpeechSynthesisTaskOperator._output_plan

        def recording(*arguments: Any) -> Any:
            plan = original(*arguments)
            assert plan is not None
            seen.append(plan.speech_digest)
            return plan

        with monkeypatch.context() as patch:
            patch.setattr(PollyStartSpeechSynthesisTaskOperator, "_output_plan", recording)
            self.run(patch, None)
        return {
            "polly-task-id": "t1",
            "polly-output-uri": "https://s3.eu-west-1.amazonaws.com/my-bucket/audio.t1.mp3",
            "polly-creation-time": "2025-01-02T03:04:05+00:00",
            "polly-request-characters": "12",
            "polly-run-token": "other",
            "polly-speech-digest": seen[0],
        }

    def test_object_costs_nothing_and_its_location_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__PRICE_PER_MILLION_CHARACTERS", '{"standard": 5}')
        value = self.run(monkeypatch, self.metadata(monkeypatch), skip_if_unchanged=True)
        assert value == REPORT | {
            "RequestCharacters": 0,
            "SpokenCharacters": 12,
            "EstimatedCost": 0.0,
            "Unchanged": True,
            "OutputUri": f"https://s3.eu-west-1.amazonaws.com/my-bucket/{KEY}",
            "OutputS3Uri": f"s3://my-bucket/{KEY}",
        }

    @pytest.mark.parametrize("exists", [True, False])
    def test_is_false_if_the_object_is_missing_or_of_another_text(
        self, monkeypatch: pytest.MonkeyPatch, exists: bool
    ) -> None:
        other = {**self.metadata(monkeypatch), "polly-speech-digest": "0" * 64}
        value = self.run(monkeypatch, other if exists else None, skip_if_unchanged=True)
        assert value == REPORT | {"Unchanged": False}

    def test_object_is_made_again_without_skip_if_unchanged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run(monkeypatch, self.metadata(monkeypatch)) == REPORT

    def test_check_fails_like_a_real_run_if_s3_denies_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        operator = start_operator(dry_run=True, output_s3_key=KEY)
        with polly_of(operator), s3_of(monkeypatch) as s3:
            s3.add_client_error("head_object", "403", http_status_code=403)
            with pytest.raises(PollyConfigurationError, match="Allow s3:GetObject"):
                execute(operator)

    def test_lexicons_are_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        operator = start_operator(
            dry_run=True, output_s3_key=KEY, skip_if_unchanged=True, lexicon_names=["places"]
        )
        with polly_of(operator) as polly, s3_of(monkeypatch) as s3:
            polly.add_response("get_lexicon", LEXICON, {"Name": "places"})
            s3.add_client_error("head_object", "404", http_status_code=404)
            assert execute(operator)["Unchanged"] is False


class TestParameter:
    @both
    @pytest.mark.parametrize("rendered", [True, "True", "true", " TRUE "])
    def test_that_rendered_to_true_makes_a_dry_run(self, make: Any, rendered: object) -> None:
        operator = make(dry_run="{{ params.dry_run }}")
        operator.only_estimate = rendered
        assert dry_run(operator)[0] == REPORT

    @both
    @pytest.mark.parametrize("rendered", [None, "None", "", "yes", 1, 0, "1", "{{ params.dry_run }}"])
    def test_that_rendered_to_something_else_is_refused_before_any_request(
        self, make: Any, rendered: object
    ) -> None:
        operator = make(dry_run="{{ params.dry_run }}")
        operator.only_estimate = rendered
        with pytest.raises(PollyInvalidRequestError, match=r"dry_run rendered to .* neither True nor False"):
            dry_run(operator)

    @both
    @pytest.mark.parametrize("given", [None, 1, "yes", "", ["True"]])
    def test_that_is_neither_a_bool_nor_a_template_is_refused_when_the_dag_is_parsed(
        self, make: Any, given: Any
    ) -> None:
        with pytest.raises(ValueError, match="dry_run must be True, False or a template"):
            make(dry_run=given)

    @both
    def test_leaves_the_method_dry_run_of_every_operator_usable(
        self, make: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """``airflow tasks test --dry-run`` calls this method."""
        for given in (True, False):
            operator = make(dry_run=given)
            if not hasattr(operator, "dry_run"):
                pytest.skip("Airflow 3.0's operators have no such method")
            operator.dry_run()

    @both
    def test_is_taken_from_the_default_args_of_a_dag(self, make: Any) -> None:
        with DAG("dry", start_date=datetime(2025, 1, 1), schedule=None, default_args={"dry_run": True}):
            operator = make()
        assert dry_run(operator)[0] == REPORT
