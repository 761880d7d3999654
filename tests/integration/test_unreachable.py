"""A start whose endpoint refuses connections, because nothing listens there."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError, ProxyConnectionError

from airflow_polly_provider.start import retry
from tests.unit.support import connection, execute, start_operator, warnings_in


@pytest.mark.parametrize("proxied", [False, True])
def test_a_start_with_refused_connections_is_retried_for_a_minute_and_logs_that_polly_was_not_reached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, proxied: bool
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    settings = {"endpoint_url": "http://polly.test", "config_kwargs": {"proxies": {"http": url}}}
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        connection(region_name="eu-west-1", **(settings if proxied else {"endpoint_url": url})),
    )
    slept: list[float] = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append))
    with pytest.raises((EndpointConnectionError, ProxyConnectionError)):
        execute(start_operator())
    assert sum(slept) == pytest.approx(60)
    warnings = warnings_in(caplog)
    assert all(line.startswith("Polly could not be reached (") for line in warnings)
    assert "giving up in 60 s" in warnings[0]
    assert len(warnings) < 20
