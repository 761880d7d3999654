"""Fixtures for tests on real AWS, which are opt-in and use the caller's credentials."""

from __future__ import annotations

import os

import pytest

BUCKET_VARIABLE = "POLLY_SYSTEM_TEST_BUCKET"


@pytest.fixture(autouse=True)
def _isolated_aws_environment() -> None:
    """Keep the AWS environment: this overrides the fixture that hides it from all other tests."""


@pytest.fixture
def bucket() -> str:
    """Return the bucket to write to, in the region of the AWS environment."""
    if not (name := os.environ.get(BUCKET_VARIABLE)):
        pytest.skip(f"uses real AWS and is billed: set {BUCKET_VARIABLE} and AWS credentials to run it")
    return name
