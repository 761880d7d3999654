"""Fixtures for the tests of the tab *Listen*. Before Airflow 3.1, only its absence is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.handlers
import pytest

from airflow_polly_provider.settings import has_listen_tab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from tests.unit.ui.support import FakeS3, XComs

collect_ignore_glob = [] if has_listen_tab() else ["test_[!v]*.py"]


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch) -> XComs:
    """Replace the table of XComs."""
    from tests.unit.ui.support import XComs

    xcoms = XComs()
    monkeypatch.setattr("airflow_polly_provider.ui.library.read_xcoms", xcoms.read)
    return xcoms


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, aws_default: None) -> FakeS3:
    """Answer every S3 client that is created in the test."""
    from tests.unit.ui.support import FakeS3

    s3 = FakeS3()
    handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-send.s3", s3)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    return s3


@pytest.fixture
def listener(xcoms: XComs, s3: FakeS3) -> Iterator[TestClient]:
    """Return the browser of a user who may read the XComs of all DAGs."""
    from tests.unit.ui.support import listener

    with listener() as client:
        yield client
