from __future__ import annotations

from typing import Any

import pytest

from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.request.stored_file import text_from_storage


class _Denied:
    """A path whose file cannot be read. Mode bits do not stop root, so ``open`` raises the error."""

    def open(self, mode: str) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    def __str__(self) -> str:
        return "file:///data/names.pls"


def test_a_file_that_the_worker_may_not_read_is_a_configuration_error() -> None:
    denied: Any = _Denied()
    with pytest.raises(
        PollyConfigurationError, match=r"The worker is not allowed to read file:///data/names\.pls"
    ):
        text_from_storage(denied, {}, parameter="content_path", max_characters=10)
