from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_polly_provider.emulator.base.bucket_names import is_bucket_name
from airflow_polly_provider.emulator.base.settings import Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 99999}, "port must be from 0 (any free port) to 65535, not 99999"),
        ({"port": -1}, "port must be"),
        ({"scheduled_seconds": -1}, "scheduled_seconds must be a number of seconds, at least 0, not -1"),
        ({"in_progress_seconds": float("nan")}, "in_progress_seconds must be"),
        ({"list_delay_seconds": float("inf")}, "list_delay_seconds must be"),
        ({"buckets": ("Audio",)}, "'Audio' is not a valid bucket name: S3 allows 3 to 63"),
        ({"region": "us east 1"}, "'us east 1' is not a valid region name"),
        ({"audio": "loud"}, "audio must be one of speech, tone, none, not 'loud'"),
        ({"quotas": {"voices": (0, 1)}}, "'voices' needs a rate above 0"),
        ({"cors_origins": ("localhost:3000",)}, "'localhost:3000' is not an origin"),
        ({"cors_origins": ("http://localhost:3000/",)}, "without a path"),
        ({"cors_origins": ("*",)}, "is not an origin"),
    ],
)
def test_an_unusable_setting_is_refused_with_its_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Settings(**settings)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://app.example.com", "http://[::1]:8080"])
def test_an_origin_is_accepted(origin: str) -> None:
    assert Settings(cors_origins=(origin,)).cors_origins == (origin,)


@pytest.mark.parametrize("name", ["abc", "my.audio-bucket", "0-9", "a" * 63])
def test_a_valid_bucket_name_is_accepted(name: str) -> None:
    assert is_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        "a..b",
        "192.168.5.4",
        "xn--a",
        "a-s3alias",
        "abc\n",
    ],
)
def test_an_invalid_bucket_name_is_refused(name: str) -> None:
    assert not is_bucket_name(name)
