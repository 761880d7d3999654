"""The emulator's control interface over HTTP, for tests in another process.

Every request must have the header ``X-Polly-Emulator: 1``, which a web page cannot send without permission.
A request must have no ``Origin``. The ``Host`` must be localhost, an IP address or the ``host`` setting.

========  =========================  =====================================================================
method    path                       meaning
========  =========================  =====================================================================
GET       ``/_emulator``             get the emulator's name
GET       ``/_emulator/faults``      get the active faults
POST      ``/_emulator/faults``      add a fault: the fields of :class:`~.faults.Fault` as a JSON object
DELETE    ``/_emulator/faults``      remove all faults
GET       ``/_emulator/counters``    get the number of calls by operation and outcome
DELETE    ``/_emulator/counters``    reset the counters
POST      ``/_emulator/clock``       set the clock forward: ``{"advance_seconds": 3600}``
POST      ``/_emulator/tasks``       seed synthesis tasks: fields of :class:`~.seeding.Seed` and ``region``
GET       ``/_emulator/quotas``      get the active quotas
PUT       ``/_emulator/quotas``      replace the quotas: ``{"read-tasks": [10, 10]}``; ``{}`` for no limits
========  =========================  =====================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.quotas import validate_quotas
from airflow_polly_provider.emulator.http.browsers import is_address
from airflow_polly_provider.emulator.http.messages import Response
from airflow_polly_provider.emulator.tasks.seeding import Seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.api.operations import PollyService
    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.control.faults import Counters, Faults
    from airflow_polly_provider.emulator.http.messages import Request

HEADER = "X-Polly-Emulator"


class Admin:
    """Handles requests under ``/_emulator``.

    :param settings: the emulator's settings.
    :param clock: the emulator's clock.
    :param faults: the emulator's faults.
    :param counters: the emulator's counters.
    :param service: the emulated Polly, for seeds and quotas.
    """

    def __init__(
        self, settings: Settings, clock: Clock, faults: Faults, counters: Counters, service: PollyService
    ) -> None:
        self._host = settings.host
        self._clock = clock
        self._faults = faults
        self._counters = counters
        self._service = service
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", ""): lambda _: {"name": "Polly emulator"},
            ("GET", "/faults"): lambda _: {"faults": faults.active()},
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): lambda _: faults.clear(),
            ("GET", "/counters"): lambda _: counters.snapshot(),
            ("DELETE", "/counters"): lambda _: counters.reset(),
            ("POST", "/clock"): self._advance_clock,
            ("POST", "/tasks"): self._seed,
            ("GET", "/quotas"): lambda _: service.quotas.quotas,
            ("PUT", "/quotas"): lambda table: service.quotas.set(validate_quotas(table)),
        }

    def handle(self, request: Request) -> Response:
        """Return the response to one request.

        :param request: a request whose path is under ``/_emulator``.
        """
        host = request.headers.get("host", "")
        if not is_address(host) and self._host not in (host, host.rpartition(":")[0]):
            return _answer(
                403, {"message": "The Host must be localhost, an IP address or the value of --host"}
            )
        if "origin" in request.headers:
            return _answer(403, {"message": "Web pages may not use the emulator's control interface"})
        if HEADER.lower() not in request.headers:
            return _answer(403, {"message": f"Missing header: send {HEADER}: 1"})
        path = request.path.removeprefix("/_emulator").rstrip("/")
        work = self._routes.get((request.method, path))
        if work is None:
            return _answer(404, {"message": f"Unknown route: {request.method} /_emulator{path}"})
        try:
            document = json.loads(request.body) if request.body else {}
            if not isinstance(document, dict):
                return _answer(400, {"message": "The body must be a JSON object"})
            return _answer(200, work(document))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return _answer(400, {"message": f"{type(error).__name__}: {error}"})

    def _add_fault(self, document: dict[str, Any]) -> None:
        self._faults.add(**document)

    def _seed(self, document: dict[str, Any]) -> dict[str, list[str]]:
        region = document.pop("region", None)
        return {"TaskIds": self._service.seed(Seed(**document), region)}

    def _advance_clock(self, document: dict[str, Any]) -> None:
        self._clock.advance(float(document["advance_seconds"]))
        self._service.tick()


def _answer(status: int, document: Any) -> Response:
    return Response(status, json.dumps({} if document is None else document).encode())
