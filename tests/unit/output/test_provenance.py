from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3 import MAX_KEY_BYTES
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.output.provenance import (
    Provenance,
    is_pollys_key,
    provenance_in,
    validate_output_key,
)

TASK_ID = "7e8d1036-b26e-498f-a8aa-a22527ddf6fa"
MADE = Provenance(
    task_id=TASK_ID,
    output_uri=f"https://s3.eu-west-1.amazonaws.com/bucket/audio/x.{TASK_ID}.mp3",
    creation_time="2025-01-02T03:04:05+00:00",
    request_characters="5",
    run_token="abcdefghijklmnop",
    speech_digest="0" * 64,
    run_began="2025-01-02T03:04:05.250000+00:00",
)
S3_METADATA_BYTES = 2048


class TestKey:
    @pytest.mark.parametrize(
        "key",
        ["a", "/a", "episodes/2025-01-01.mp3", "été 1?.mp3", "é" * 512, f"audio/{TASK_ID}.mp3", "s3/x.mp3"],
    )
    def test_is_accepted_unchanged_if_s3_allows_it(self, key: str) -> None:
        assert validate_output_key(key, "audio/x-abcdefghijklmnop") == key

    def test_that_is_an_integer_is_converted_to_its_digits(self) -> None:
        assert validate_output_key(2024, None) == "2024"

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("", "is empty"),
            (" \n", "is empty"),
            (None, "must be a string, not NoneType"),
            (1.5, "must be a string, not float.*render_template_as_native_obj"),
            (True, "must be a string, not bool"),
            ("s3://bucket/key", "is a URI"),
            ("audio/", "is a folder"),
            ("é" * 513, "1,026 bytes"),
            ("x" * (MAX_KEY_BYTES + 1), "1,025 bytes"),
            (f"audio/x-abcdefghijklmnop.{TASK_ID}.mp3", "Polly's own keys"),
        ],
    )
    def test_that_no_s3_object_can_have_is_refused_with_the_reason(self, key: object, words: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words):
            validate_output_key(key, "audio/x-abcdefghijklmnop")

    def test_chosen_by_polly_is_recognized_with_and_without_a_prefix(self) -> None:
        assert is_pollys_key(f"{TASK_ID}.mp3", None)
        assert is_pollys_key(f"a/(b)+.{TASK_ID}.marks", "a/(b)+")
        assert not is_pollys_key(f"{TASK_ID}.mp3", "audio")
        assert not is_pollys_key(f"audio.{TASK_ID}.mp3", None)
        assert not is_pollys_key("intro.mp3", None)


class TestProvenance:
    def test_is_read_back_from_an_objects_metadata(self) -> None:
        assert provenance_in({**MADE.metadata(), "another": "thing"}, "bucket") == MADE

    def test_with_the_longest_uri_fits_into_s3s_metadata_limit(self) -> None:
        longest = MADE._replace(output_uri=f"https://s3.ap-southeast-1.amazonaws.com/{'b' * 63}/{'x' * 845}")
        metadata = longest.metadata()
        assert sum(len(name) + len(value) for name, value in metadata.items()) < S3_METADATA_BYTES
        assert all(value.isascii() for value in metadata.values())

    @given(
        st.dictionaries(st.sampled_from(list(MADE.metadata())), st.text(max_size=20)),
    )
    def test_of_foreign_metadata_is_none_or_has_exactly_its_values(self, others: dict[str, str]) -> None:
        found = provenance_in(others, "bucket")
        assert found is None or found.metadata() == {name: others.get(name, "") for name in MADE.metadata()}

    @pytest.mark.parametrize("missing", ["polly-output-uri", "polly-request-characters"])
    def test_is_none_if_a_required_entry_is_missing(self, missing: str) -> None:
        metadata = MADE.metadata()
        del metadata[missing]
        assert provenance_in(metadata, "bucket") is None

    @pytest.mark.parametrize(
        "output_uri",
        [
            f"https://s3.eu-west-1.amazonaws.com/other/{TASK_ID}.mp3",
            f"https://other.s3.eu-west-1.amazonaws.com/{TASK_ID}.mp3",
            f"s3://other/{TASK_ID}.mp3",
            f"s3://bucket/{TASK_ID}.mp3",
            f"https://s3.example.com/bucket/{TASK_ID}.mp3",
            f"https://s3.eu-west-1.amazonaws.com@example.com/bucket/{TASK_ID}.mp3",
            f"https://s3.eu-west-1.amazonaws.com.example.com/bucket/{TASK_ID}.mp3",
            f"https://x1.execute-api.eu-west-1.amazonaws.com/bucket/{TASK_ID}.mp3",
            f"https://[s3.eu-west-1.amazonaws.com/bucket/{TASK_ID}.mp3",
        ],
    )
    def test_is_none_if_its_uri_is_not_in_the_objects_own_bucket_on_s3(self, output_uri: str) -> None:
        assert provenance_in(MADE._replace(output_uri=output_uri).metadata(), "bucket") is None

    @pytest.mark.parametrize(
        "host",
        [
            "s3.eu-west-1.amazonaws.com/bucket",
            "bucket.s3.eu-west-1.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn/bucket",
            "s3.us-gov-west-1.amazonaws.com/bucket",
            "s3.us-iso-east-1.c2s.ic.gov/bucket",
        ],
    )
    def test_is_read_in_every_partition(self, host: str) -> None:
        made = MADE._replace(output_uri=f"https://{host}/{TASK_ID}.mp3")
        assert provenance_in(made.metadata(), "bucket") == made
