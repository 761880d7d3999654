"""The token, the digests and the record of a start in the task state store.

Deployments keep them across an upgrade. A retry uses them to find the synthesis task of an earlier try; if
they differ, the retry starts and pays for another one. Never change a value here; see ``support.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.operators.lexicon import PollyPutLexiconOperator
from tests.unit.persisted_formats.support import (
    ADVICE,
    PRONUNCIATION,
    TASK_ID,
    Store,
    assert_unchanged,
)
from tests.unit.support import context, deferral_of, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.persisted_formats.support import Account

TOKEN = "ylgbwnsqy7cfpc3w"
"""The token of the default start operator in the default run."""
ASKED = {"token": "ylgbwnsqy7cfpc3w", "asked_at": 1735787045.25, "synthesis_task_id": None}
STARTED = {
    "token": "ylgbwnsqy7cfpc3w",
    "asked_at": 1735787045.25,
    "synthesis_task_id": "7e8d1036-b26e-498f-a8aa-a22527ddf6fa",
}
RUN_RECORD = {
    "token": "ylgbwnsqy7cfpc3w",
    "digest": "cf703df2504d835cc17fe846f3baf53c2ef2cdaa67571136bee3ffb76fb1fe1f",
    "began": "2025-01-02T03:04:05.250000+00:00",
    "ends_in_triggerer": False,
}
EVERY_PARAMETER: dict[str, Any] = {
    "text": "Grüße, Zoë 🎧",
    "output_format": "json",
    "output_s3_key_prefix": "marks/",
    "engine": "neural",
    "language_code": "en-GB",
    "lexicon_names": ["places", "names"],
    "sns_topic_arn": "arn:aws:sns:eu-west-1:123456789012:spoken",
    "speech_mark_types": ["word", "sentence"],
    "text_type": "text",
}


def start(
    account: Account, identity: Mapping[str, Any], store: Store | None = None, **arguments: Any
) -> dict[str, Any]:
    """Run a start operator that does not wait, and return its ``return_value``."""
    account.script_start(synthesis_task(TASK_ID, "scheduled"))
    running_context = context(**identity) | ({} if store is None else {"task_state_store": store})
    value: dict[str, Any] = execute(start_operator(wait_for_completion=False, **arguments), running_context)
    return value


class TestToken:
    @pytest.mark.parametrize(
        ("identity", "arguments", "prefix"),
        [
            pytest.param({}, {}, TOKEN, id="no prefix"),
            pytest.param({}, {"output_s3_key_prefix": "audio/"}, "audio/pesw2ex2voncmldv", id="folder"),
            pytest.param(
                {}, {"output_s3_key_prefix": "audio/intro"}, "audio/intro-ssmhgtetmky436md", id="prefix"
            ),
            pytest.param({}, EVERY_PARAMETER, "marks/3vgdhbvb5dqjug5f", id="every parameter"),
            pytest.param(
                {}, {"output_format": "pcm", "sample_rate": 16000}, "n3kkuquouprkjm4j", id="sample rate"
            ),
            pytest.param({"map_index": 3}, {}, "dprlx5zt5tg3yjck", id="mapped"),
            pytest.param({"max_tries": 2}, {}, "za3c5v3ruxdgjqyt", id="retries or cleared"),
            pytest.param(
                {
                    "dag_id": "épisodes",
                    "run_id": "manual__2025-01-02T03:04:05+00:00",
                    "task_id": "group.speak",
                },
                {},
                "v3sfnh7jggskkhx5",
                id="run",
            ),
        ],
    )
    def test_is_the_same_for_the_same_request_in_the_same_run(
        self, account: Account, identity: dict[str, Any], arguments: dict[str, Any], prefix: str
    ) -> None:
        start(account, identity, **arguments)
        (request,) = account.requests
        assert request.body["OutputS3KeyPrefix"] == prefix, ADVICE

    def test_depends_on_the_configured_token_namespace(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__TOKEN_NAMESPACE", "production")
        start(account, {})
        assert account.requests[0].body["OutputS3KeyPrefix"] == "iqy6dpqlyr4dan3p", ADVICE

    def test_in_the_key_of_a_listed_synthesis_task_lets_a_retry_adopt_it(self, account: Account) -> None:
        account.may_list = True
        uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{TOKEN}.{TASK_ID}.mp3"
        listed = synthesis_task(TASK_ID, "scheduled", OutputUri=uri)
        account.answer = lambda _: {"SynthesisTasks": [listed]}
        operator = start_operator(wait_for_completion=False)
        value = execute(operator, context(try_number=2))
        assert value["TaskId"] == TASK_ID
        assert {request.operation for request in account.requests} == {"ListSpeechSynthesisTasks"}, ADVICE


class TestRequestDigest:
    @pytest.mark.parametrize(
        ("arguments", "digest"),
        [
            ({}, "cf703df2504d835cc17fe846f3baf53c2ef2cdaa67571136bee3ffb76fb1fe1f"),
            (EVERY_PARAMETER, "d579a9afa7ee192d461b35614cd355d68d915e6cb87117f1fc001daf1922eac8"),
            (
                {"output_format": "pcm", "sample_rate": 16000},
                "59da4be625a8f4b84d4db1eed5acf6b8d75024487d148ae3ba26640d24eb6cb7",
            ),
        ],
        ids=["defaults", "every parameter", "sample rate"],
    )
    def test_is_the_same_for_the_same_request(
        self, account: Account, arguments: dict[str, Any], digest: str
    ) -> None:
        assert start(account, {}, **arguments)["RequestDigest"] == digest, ADVICE


class TestSpeechDigest:
    @pytest.mark.parametrize(
        ("arguments", "digest"),
        [
            ({}, "bba8cee8d97dca7420c7f040e0808f6226338e2a0fa735bcaf84a31f13b69450"),
            (
                {
                    "output_s3_bucket_name": "another",
                    "output_s3_key_prefix": "audio/",
                    "sns_topic_arn": "arn:aws:sns:eu-west-1:123456789012:spoken",
                },
                "bba8cee8d97dca7420c7f040e0808f6226338e2a0fa735bcaf84a31f13b69450",
            ),
            (
                {"lexicon_names": ["places"], "skip_if_unchanged": True},
                "c0b3cc2863429212291dffb91a28c74559c3ba64c4b1d8f7e27b513671de6e60",
            ),
            (EVERY_PARAMETER, "d437128dc0e783dc7a915258a68bf3e0f4330f8050a5a186f644fab2f3790d54"),
        ],
        ids=["defaults", "another place", "contents of lexicons", "every parameter"],
    )
    def test_is_the_same_for_the_same_speech(
        self, account: Account, arguments: dict[str, Any], digest: str
    ) -> None:
        account.lexicons["places"] = PRONUNCIATION
        account.script_start(synthesis_task(TASK_ID, "scheduled"))
        deferred = deferral_of("start", output_s3_key="final/hello.mp3", **arguments)
        _, stored = deferred.trigger.serialize()
        assert stored["for_resume"]["speech_digest"] == digest, ADVICE


class TestContentDigest:
    @pytest.mark.parametrize(
        "content",
        [PRONUNCIATION, PRONUNCIATION.replace("\n", "\r\n"), f"\n{PRONUNCIATION}\n\n"],
        ids=["unchanged", "other line ends", "white space around it"],
    )
    def test_of_a_lexicon_ignores_line_ends_and_outer_white_space(
        self, account: Account, content: str
    ) -> None:
        operator = PollyPutLexiconOperator(task_id="put", name="places", content=content)
        assert (
            execute(operator)["ContentDigest"]
            == "023a5dad350b06ec1b2eb4fad70a0e1423eaceb32758f2a6d26028011952a02f"
        ), ADVICE


class TestTaskStateRecord:
    """The record ``polly_start`` in Airflow's task state store (Airflow 3.3+)."""

    def test_is_written_before_and_after_the_start(self, account: Account) -> None:
        store = Store()
        start(account, {}, store)
        assert_unchanged(
            [written for written in store.written if written[0] == "polly_start"],
            [["polly_start", ASKED], ["polly_start", STARTED]],
        )

    def test_of_the_run_is_written_before_the_start_and_when_the_result_is_delivered(
        self, account: Account
    ) -> None:
        store = Store()
        start(account, {}, store)
        assert_unchanged(
            [written for written in store.written if written[0] == "polly_start_run"],
            [
                ["polly_start_run", {**RUN_RECORD, "delivered": False}],
                ["polly_start_run", {**RUN_RECORD, "delivered": True}],
            ],
        )

    def test_of_the_earlier_version_with_an_id_lets_a_retry_adopt_that_synthesis_task(
        self, account: Account
    ) -> None:
        account.answer = lambda _: synthesis_task(TASK_ID, "inProgress")
        store = Store(polly_start=STARTED)
        running_context = context(try_number=2) | {"task_state_store": store}
        value = execute(start_operator(wait_for_completion=False), running_context)
        assert value["TaskId"] == TASK_ID
        assert [request.operation for request in account.requests] == ["GetSpeechSynthesisTask"], ADVICE

    def test_of_the_earlier_version_without_an_id_lets_a_retry_search_for_the_token(
        self, account: Account
    ) -> None:
        account.may_list = True
        uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{TOKEN}.{TASK_ID}.mp3"
        listed = synthesis_task(TASK_ID, "inProgress", OutputUri=uri)
        account.answer = lambda _: {"SynthesisTasks": [listed]}
        # In its first try, a task searches for a token only if there is a record.
        running_context = context(try_number=1) | {"task_state_store": Store(polly_start=ASKED)}
        value = execute(start_operator(wait_for_completion=False), running_context)
        assert value["TaskId"] == TASK_ID
        assert {request.operation for request in account.requests} == {"ListSpeechSynthesisTasks"}, ADVICE

    def test_of_another_run_is_ignored(self, account: Account) -> None:
        store = Store(polly_start={**STARTED, "token": "abcdefghijklmnop"})
        start(account, {}, store)
        assert [request.operation for request in account.requests] == ["StartSpeechSynthesisTask"]
