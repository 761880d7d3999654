"""Checks of a whole batch before anything is started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch.checks import (
    lexicon_names_of,
    listed,
    validate_output_keys,
    validate_total,
    validate_voices,
)
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.batch.engine import MANIFEST, item
from tests.unit.batch.fake_s3 import BUCKET
from tests.unit.batch.records import record
from tests.unit.support import ADITI, AMY


@pytest.mark.parametrize(
    ("count", "end"), [(1, "x0"), (50, "x49"), (51, "x49 and 1 more"), (1250, "x49 and 1,200 more")]
)
def test_at_most_fifty_ids_are_listed(count: int, end: str) -> None:
    words = listed([f"x{number}" for number in range(count)])
    assert words.endswith(end)
    assert words.count(",") - words.count("1,200") == min(count, 50) - 1


class TestOutputKeys:
    def test_need_a_task_that_waits(self) -> None:
        items = [item(0), item(1, key="a.mp3"), item(2, key="b.mp3")]
        with pytest.raises(PollyInvalidRequestError, match=r"item-1, item-2\.$"):
            validate_output_keys(items, MANIFEST, wait_for_completion=False)
        validate_output_keys(items, MANIFEST, wait_for_completion=True)

    def test_are_not_needed(self) -> None:
        validate_output_keys([item(0)], MANIFEST, wait_for_completion=False)

    def test_must_not_be_the_key_of_the_manifest(self) -> None:
        items = [item(0, key="a.mp3"), item(1, key="manifest.json")]
        with pytest.raises(PollyInvalidRequestError, match="item-1 is the key of the manifest"):
            validate_output_keys(items, MANIFEST, wait_for_completion=True)

    def test_may_be_that_key_in_another_bucket(self) -> None:
        assert MANIFEST.bucket == BUCKET
        other = S3Location("other", "manifest.json")
        validate_output_keys([item(0, key="manifest.json")], other, wait_for_completion=True)


class TestTotal:
    @pytest.mark.parametrize("limit", [None, 2001, 2002])
    def test_within_the_limit_is_accepted(self, limit: int | None) -> None:
        validate_total(limit, [record(0), record(1)])

    def test_above_the_limit_is_an_error(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"2,001 characters for 2 items.*is 2,000\."):
            validate_total(2000, [record(0), record(1)])

    def test_leaves_out_unchanged_items(self) -> None:
        validate_total(1000, [record(0), record(1, unchanged=True)])


class TestVoices:
    def check(self, *items: Any) -> None:
        validate_voices(
            SimpleNamespace(voices=lambda: [AMY, ADITI], asked_region="eu-west-1"),  # type: ignore[arg-type]
            items,
        )

    def test_that_speak_the_items_are_accepted(self) -> None:
        self.check(item(0), item(1, VoiceId="Aditi", Engine=None, LanguageCode="hi-IN"))

    def test_that_cannot_are_listed_in_one_error_with_their_items(self) -> None:
        aditi = [item(number, VoiceId="Aditi") for number in (1, 2)]
        with pytest.raises(PollyInvalidRequestError) as raised:
            self.check(item(0), *aditi, item(3, VoiceId="Emy"))
        heading, *lines = str(raised.value).split("\n")
        assert "nothing was sent" in heading
        assert len(lines) == 2
        assert lines[0].startswith("item-1, item-2: voice_id 'Aditi' supports")
        assert lines[1].startswith("item-3: voice_id 'Emy'")
        assert "Text" not in str(raised.value)


def test_lexicon_names_are_sorted_and_unique() -> None:
    requests: list[dict[str, Any]] = [{"LexiconNames": ["b", "a"]}, {}, {"LexiconNames": ["c", "b"]}]
    assert lexicon_names_of(requests) == ["a", "b", "c"]
