"""Against real AWS: only when asked, with the credentials of whoever asks."""

from __future__ import annotations

import os

import pytest

BUCKET_VARIABLE = "POLLY_SYSTEM_TEST_BUCKET"


@pytest.fixture(autouse=True)
def _isolated_aws_environment() -> None:
    """Leave the AWS environment as it is, in place of the fixture that hides it from all other tests."""


@pytest.fixture
def bucket() -> str:
    """The bucket to write to, in the region of the credentials' environment."""
    if not (name := os.environ.get(BUCKET_VARIABLE)):
        pytest.skip(f"real AWS, billed: set {BUCKET_VARIABLE} and AWS credentials to run it")
    return name
