from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3 import parse_output_uri

# The character sets come from the patterns in the service model.
buckets = st.from_regex(r"\A[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]\Z")
keys = st.from_regex(r"\A[0-9a-zA-Z/!\-_.*'():;$@=+,?&]{1,120}\Z")
regions = st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1", "ap-southeast-3"])


class TestParseOutputUri:
    @given(buckets, keys, regions)
    def test_parses_the_form_that_polly_documents(self, bucket: str, key: str, region: str) -> None:
        location = parse_output_uri(f"https://s3.{region}.amazonaws.com/{bucket}/{key}")
        assert location == (bucket, key)
        assert location.uri == f"s3://{bucket}/{key}"

    @given(buckets, keys, st.sampled_from(["s3.us-east-1", "s3-eu-west-1", "s3.dualstack.eu-west-1", "s3"]))
    def test_parses_the_virtual_host_form(self, bucket: str, key: str, service: str) -> None:
        assert parse_output_uri(f"https://{bucket}.{service}.amazonaws.com/{key}") == (bucket, key)

    @given(buckets, keys)
    def test_parses_an_s3_uri(self, bucket: str, key: str) -> None:
        assert parse_output_uri(f"s3://{bucket}/{key}") == (bucket, key)

    @pytest.mark.parametrize(
        ("uri", "bucket", "key"),
        [
            ("https://s3.cn-north-1.amazonaws.com.cn/b-1/k.mp3", "b-1", "k.mp3"),
            ("https://b-1.s3.cn-north-1.amazonaws.com.cn/k.mp3", "b-1", "k.mp3"),
            ("https://s3-fips.us-gov-west-1.amazonaws.com/b-1/k.mp3", "b-1", "k.mp3"),
            ("http://127.0.0.1:4566/b-1/a/k.mp3", "b-1", "a/k.mp3"),
            ("https://s3.us-east-1.amazonaws.com/b-1//k.mp3", "b-1", "/k.mp3"),
            ("https://s3.us-east-1.amazonaws.com/b-1/a?b=c&d+e.mp3", "b-1", "a?b=c&d+e.mp3"),
        ],
    )
    def test_parses_other_partitions_ports_and_unusual_keys(self, uri: str, bucket: str, key: str) -> None:
        assert parse_output_uri(uri) == (bucket, key)

    @pytest.mark.parametrize(
        "uri", ["", "s3://bucket", "https://s3.us-east-1.amazonaws.com/bucket", "bucket/key", "s3:///key"]
    )
    def test_refuses_a_uri_without_a_bucket_or_a_key(self, uri: str) -> None:
        with pytest.raises(ValueError, match="does not name an S3 bucket and key"):
            parse_output_uri(uri)
