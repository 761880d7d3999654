from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.start.token import (
    MAX_PREFIX_CHARACTERS,
    TOKEN_CHARACTERS,
    TaskRun,
    batch_item_token,
    prefix_with_token,
    request_digest,
    request_token,
    speech_digest,
    task_run,
)
from tests.unit.support import MODEL, RecordingTaskInstance, members_of

MODEL_PATTERN = MODEL.shape_for("OutputS3KeyPrefix").metadata["pattern"]
ALPHABET = "0123456789abcXYZ/!-_.*'():;$@=+,?&"

names = st.text(min_size=1, max_size=30)
runs = st.builds(
    TaskRun,
    dag_id=names,
    run_id=names,
    task_id=names,
    map_index=st.integers(-1, 1000),
    max_tries=st.integers(0, 100),
    namespace=st.text(max_size=10),
)
requests = st.dictionaries(
    st.sampled_from(["Text", "VoiceId", "OutputS3BucketName", "Engine"]), st.text(max_size=50), min_size=1
)


def token_of(run: TaskRun, request: dict[str, str]) -> str:
    return request_token(run, request_digest(request))


class TestToken:
    @given(runs, requests)
    def test_is_the_same_for_the_same_run_and_request(self, run: TaskRun, request: dict[str, str]) -> None:
        reordered = dict(reversed(request.items()))
        assert token_of(run, request) == token_of(TaskRun(*run), reordered)

    @given(runs, runs, requests, requests)
    def test_differs_for_any_other_run_or_request(
        self, run: TaskRun, other: TaskRun, request: dict[str, str], other_request: dict[str, str]
    ) -> None:
        assume(run != other)
        assert token_of(run, request) != token_of(other, request)
        assume(request != other_request)
        assert token_of(run, request) != token_of(run, other_request)

    @pytest.mark.parametrize(
        "change",
        [
            {"dag_id": "x"},
            {"run_id": "x"},
            {"task_id": "x"},
            {"map_index": 0},
            {"max_tries": 3},
            {"namespace": "staging"},
        ],
    )
    def test_depends_on_each_part_of_the_runs_identity(self, change: dict[str, Any]) -> None:
        run = TaskRun("dag", "run", "task", -1, 2)
        assert token_of(run, {"Text": "a"}) != token_of(run._replace(**change), {"Text": "a"})

    @given(st.lists(st.text(max_size=4), min_size=3, max_size=3))
    def test_differs_if_a_character_moves_from_one_name_to_the_next(self, parts: list[str]) -> None:
        first, second, third = parts
        assume(second)
        run = TaskRun(first + second, third, "t", -1, 0)
        assert token_of(run, {}) != token_of(run._replace(dag_id=first, run_id=second + third), {})

    @given(runs, requests)
    def test_consists_of_16_characters_that_are_safe_in_a_key(
        self, run: TaskRun, request: dict[str, str]
    ) -> None:
        assert re.fullmatch(rf"[a-z2-7]{{{TOKEN_CHARACTERS}}}", token_of(run, request))

    def test_never_changes_from_one_release_to_the_next(self) -> None:
        """After a change, a retry that follows an upgrade would start and pay for a second synthesis task."""
        run = TaskRun("dag", "manual__2025-01-01T00:00:00+00:00", "speak", -1, 2, "production")
        assert token_of(run, {"Text": "Grüße", "VoiceId": "Vicki"}) == "23lv3okjoja545t4"


class TestTaskRun:
    def test_identifies_a_task_instance_independently_of_its_try_number(self) -> None:
        identity: dict[str, Any] = {
            "dag_id": "dag",
            "run_id": "run",
            "task_id": "task",
            "map_index": 3,
            "max_tries": 2,
        }
        tries = [task_run(RecordingTaskInstance(**identity, try_number=number)) for number in (1, 2)]
        assert tries == [TaskRun(**identity)] * 2

    def test_of_an_unmapped_task_is_the_same_with_map_index_none_and_minus_one(self) -> None:
        """With another token, a retry would start and pay for a second synthesis task."""
        without, minus_one = (task_run(RecordingTaskInstance(map_index=index)) for index in (None, -1))
        assert without == minus_one
        assert minus_one != task_run(RecordingTaskInstance(map_index=0))

    def test_has_the_token_namespace_of_the_deployment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__TOKEN_NAMESPACE", "staging")
        assert task_run(RecordingTaskInstance()).namespace == "staging"


class TestPrefix:
    @pytest.mark.parametrize(
        ("prefix", "carried"),
        [
            (None, "abc"),
            ("", "abc"),
            ("audio/", "audio/abc"),
            ("audio/intro", "audio/intro-abc"),
            ("/", "/abc"),
        ],
    )
    def test_ends_in_the_token_after_the_documented_separator(self, prefix: str | None, carried: str) -> None:
        assert prefix_with_token(prefix, "abc") == carried

    @given(st.text(ALPHABET, max_size=MAX_PREFIX_CHARACTERS), runs, requests)
    def test_with_the_token_matches_pollys_pattern(
        self, prefix: str, run: TaskRun, request: dict[str, str]
    ) -> None:
        token = token_of(run, request)
        carried = prefix_with_token(prefix, token)
        assert re.fullmatch(MODEL_PATTERN, carried)
        assert carried.startswith(prefix)
        assert carried.endswith(token)

    @given(st.integers(0, MAX_PREFIX_CHARACTERS), st.sampled_from("a/"))
    def test_of_any_length_is_valid_or_refused_with_the_maximum_length(self, length: int, last: str) -> None:
        prefix = ("a" * length)[:-1] + last if length else ""
        room = MAX_PREFIX_CHARACTERS - TOKEN_CHARACTERS - (0 if prefix.endswith("/") else 1)
        if length <= room:
            assert re.fullmatch(MODEL_PATTERN, prefix_with_token(prefix, "t" * TOKEN_CHARACTERS))
            return
        with pytest.raises(PollyInvalidRequestError, match=f"(?s)at most {room} characters.*durable=False"):
            prefix_with_token(prefix, "t" * TOKEN_CHARACTERS)

    @pytest.mark.parametrize(("prefix", "room"), [("a" * 784, 783), ("a" * 784 + "/", 784)])
    def test_one_character_too_long_is_refused_with_the_maximum_length(self, prefix: str, room: int) -> None:
        assert prefix_with_token(prefix[-room:], "t" * TOKEN_CHARACTERS)
        with pytest.raises(PollyInvalidRequestError, match=f"at most {room} characters"):
            prefix_with_token(prefix, "t" * TOKEN_CHARACTERS)


class TestSpeechDigest:
    REQUEST: ClassVar[dict[str, Any]] = {"Text": "Hello", "VoiceId": "Amy", "OutputFormat": "mp3"}

    def digest(self, *, lexicons: dict[str, str] | None = None, **change: Any) -> str:
        return speech_digest(self.REQUEST | change, lexicons or {})

    def test_does_not_depend_on_bucket_key_prefix_and_sns_topic(self) -> None:
        elsewhere: dict[str, Any] = {
            "OutputS3BucketName": "bucket",
            "OutputS3KeyPrefix": "2025-01-01/",
            "SnsTopicArn": "arn:aws:sns:eu-west-1:123456789012:topic",
        }
        assert self.digest(**elsewhere) == self.digest()

    def test_depends_on_every_other_parameter_of_a_request(self) -> None:
        placing = {"OutputS3BucketName", "OutputS3KeyPrefix", "SnsTopicArn"}
        members = set(members_of("StartSpeechSynthesisTaskInput")) - placing
        changes: list[dict[str, Any]] = [{name: "another"} for name in members]
        digests = {self.digest(**change) for change in changes}
        assert len({self.digest(), *digests}) == len(members) + 1

    def test_depends_on_the_name_and_content_of_each_lexicon(self) -> None:
        contents = [{}, {"names": "<lexicon/>"}, {"names": "<lexicon></lexicon>"}, {"other": "<lexicon/>"}]
        assert len({self.digest(lexicons=lexicons) for lexicons in contents}) == 4

    def test_never_changes_from_one_release_to_the_next(self) -> None:
        """After a change, each object would be synthesized and paid for again."""
        assert self.digest() == "17c485b28c985f4e78cfbc59136f83e7c04d4d885b9d3402f872cb5f6e11d8fa"


class TestItemToken:
    ITEM: ClassVar = ("ylgbwnsqy7cfpc3w", "chapter-1", "d" * 64)

    def test_has_the_form_of_every_token(self) -> None:
        assert re.fullmatch(f"[a-z2-7]{{{TOKEN_CHARACTERS}}}", batch_item_token(*self.ITEM))

    @given(st.tuples(names, names, names), st.tuples(names, names, names))
    def test_differs_for_any_other_batch_item_or_request(
        self, item: tuple[str, str, str], other: tuple[str, str, str]
    ) -> None:
        assume(item != other)
        assert batch_item_token(*item) != batch_item_token(*other)
