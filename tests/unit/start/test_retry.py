from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProxyConnectionError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProxyError

from airflow_polly_provider.start import retry
from tests.unit.support import Refusal, execute, start_operator

if TYPE_CHECKING:
    from tests.unit.support import Wire


def through_proxy(cause: Exception) -> ProxyConnectionError:
    """Return what botocore raises when the connection to the proxy fails."""
    return ProxyConnectionError(proxy_url="proxy", error=ProxyError("Unable to connect to proxy", cause))


class TestStart:
    @pytest.mark.parametrize(
        ("error", "patience_seconds"),
        [
            pytest.param(Refusal("ThrottlingException"), 3600, id="throttled"),
            pytest.param(EndpointConnectionError(endpoint_url="polly"), 300, id="no connection"),
            pytest.param(
                through_proxy(NewConnectionError(HTTPConnection("proxy"), "refused")),
                300,
                id="proxy not reached",
            ),
            pytest.param(
                through_proxy(OSError("Tunnel connection failed: 503 Busy")), 300, id="proxy without a tunnel"
            ),
        ],
    )
    def test_that_polly_never_accepted_is_repeated_for_a_while_and_then_raises_the_original_error(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Any, patience_seconds: float
    ) -> None:
        """No response was lost, so it does not search for a synthesis task, which needs a permission."""
        slept: list[float] = []
        clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
        monkeypatch.setattr(retry, "time", clock)
        wire.answer = lambda _: error
        wire.may_list = False
        with pytest.raises(ClientError if isinstance(error, Refusal) else type(error)):
            execute(start_operator())
        assert patience_seconds <= sum(slept) < patience_seconds + 61
