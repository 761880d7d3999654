from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProxyError

from airflow_polly_provider.start import retry
from tests.unit.support import Refusal, execute, start_operator, synthesis_task, warnings_in

if TYPE_CHECKING:
    from tests.unit.support import Answer, Request, Wire


def through_proxy(cause: Exception) -> ProxyConnectionError:
    """Return what botocore raises when the connection to the proxy fails."""
    return ProxyConnectionError(proxy_url="proxy", error=ProxyError("Unable to connect to proxy", cause))


def refused(error: Exception) -> Exception:
    """Return a botocore error whose cause is a connection that was refused, as urllib3 reports it."""
    error.__context__ = NewConnectionError(HTTPConnection("polly"), "refused")
    error.__context__.__cause__ = ConnectionRefusedError()
    return error


def test_the_time_limit_for_refused_connections_starts_at_the_first_refused_connection(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(retry, "time", clock)
    refusals = [refused(EndpointConnectionError(endpoint_url="polly"))]

    def answer(_: Request) -> Answer:
        if sum(slept) < 90:
            return Refusal("ThrottlingException")
        return refusals.pop() if refusals else synthesis_task(status="scheduled")

    wire.answer = answer
    assert execute(start_operator(wait_for_completion=False))["TaskStatus"] == "scheduled"


class TestStartNeverAccepted:
    @pytest.mark.parametrize(
        ("error", "limit_seconds"),
        [
            pytest.param(Refusal("ThrottlingException"), 3600, id="throttled"),
            pytest.param(EndpointConnectionError(endpoint_url="polly"), 300, id="no connection"),
            pytest.param(refused(EndpointConnectionError(endpoint_url="polly")), 60, id="refused"),
            pytest.param(
                through_proxy(NewConnectionError(HTTPConnection("proxy"), "no such host")),
                300,
                id="proxy not reached",
            ),
            pytest.param(
                through_proxy(OSError("Tunnel connection failed: 503 Busy")), 300, id="proxy without a tunnel"
            ),
        ],
    )
    def test_is_retried_for_the_time_limit_and_then_raises_the_original_error(
        self,
        wire: Wire,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        error: Any,
        limit_seconds: float,
    ) -> None:
        """No response was lost, so the operator does not search the list, which needs a permission."""
        slept: list[float] = []
        clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
        monkeypatch.setattr(retry, "time", clock)
        wire.answer = lambda _: error
        wire.may_list = False
        with pytest.raises(ClientError if isinstance(error, Refusal) else type(error)):
            execute(start_operator())
        assert sum(slept) == pytest.approx(limit_seconds)
        message = (
            "Polly throttled the request" if isinstance(error, Refusal) else "Polly could not be reached"
        )
        warnings = warnings_in(caplog)
        assert all(line.startswith(message) for line in warnings)
        assert f"giving up in {limit_seconds} s" in warnings[0]
