"""Which part of the emulator answers a request, and what goes wrong on demand."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_polly_provider.emulator.api.operations import PollyService, error_response
from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.service_model import ApiModel
from airflow_polly_provider.emulator.control.admin import Admin
from airflow_polly_provider.emulator.control.faults import Counters, Faults

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.control.faults import Fault
    from airflow_polly_provider.emulator.http.protocol import Request, Response

log = logging.getLogger(__name__)

# Credential=<key>/<date>/<region>/<service>/aws4_request; in a presigned URL its slashes are escaped.
_SCOPE = re.compile(r"Credential=[^/,&]+(?:/|%2F)\d+(?:/|%2F)([\w-]+)(?:/|%2F)([\w-]+)(?:/|%2F)aws4_request")
_MAX_POLLY_BODY = 4 * 1024 * 1024
_MOTO_THREADS = 8
_SLOW_OPERATION = "SynthesizeSpeech"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is known to be for one of Polly's operations.

    :param request: the request.
    :param region: from its credential scope.
    :param operation: as in the service model.
    :param parameter: what the path names.
    """

    request: Request
    region: str
    operation: str
    parameter: str | None


class Application:
    """The emulator as one function from request to response.

    :param settings: the emulator's.
    :param clock: where times come from.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.model = ApiModel()
        self.faults = Faults(self.model.operation_names)
        self.counters = Counters()
        self.service = PollyService(settings, clock, self.model)
        self._admin = Admin(settings, clock, self.faults, self.counters, self.service)
        self._pool = ThreadPoolExecutor(_MOTO_THREADS, thread_name_prefix="polly-emulator-aws")
        self._request_numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Begin, on the event loop that is to serve."""
        self._loop = asyncio.get_running_loop()
        self.service.open()

    def close(self) -> None:
        """End all work. Blocks."""
        self.service.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a request.

        :param request: to Polly, to the other services or to the emulator itself.
        """
        if request.path.startswith("/_emulator"):
            return self._admin.handle(request)
        scope = _SCOPE.search(request.headers.get("authorization", "")) or _SCOPE.search(request.query)
        if scope is None and request.path.startswith("/v1/"):
            error = ApiError(
                "MissingAuthenticationTokenException", "Missing Authentication Token", status=403
            )
            return error_response(error, 403)
        if scope is None or scope[2] != "polly":
            assert self._loop is not None
            return self._loop.run_in_executor(self._pool, self.service.aws.serve, request)
        return self._polly(request, scope[1])

    def _polly(self, request: Request, region: str) -> Response | Awaitable[Response]:
        try:
            call = self._read(request, region)
        except ApiError as error:
            self.counters.count("unknown", error.code)
            return self._numbered(self._refusal(error))
        fault = self.faults.take(call.operation)
        if fault is not None:
            return self._faulty(fault, call)
        if call.operation == _SLOW_OPERATION:
            return self._speak(call)
        response, outcome = self._answer(call)
        self.counters.count(call.operation, outcome)
        return self._numbered(response)

    def _numbered(self, response: Response) -> Response:
        number = f"{next(self._request_numbers):012x}"
        response.headers += (("x-amzn-RequestId", f"00000000-0000-4000-8000-{number}"),)
        return response

    def _read(self, request: Request, region: str) -> Call:
        if len(request.body) > _MAX_POLLY_BODY:
            raise ApiError("SerializationException", "The request body is too large", status=413)
        operation, parameter = self.model.route(request.method, request.path)
        return Call(request, region, operation, parameter)

    def _answer(self, call: Call, *, fail_task: str | None = None) -> tuple[Response, str]:
        """Do the work, and tell its outcome for the counters."""
        request = call.request
        try:
            parameters = self.model.parse(
                call.operation, call.parameter, request.query, request.headers, request.body
            )
            return self.service.operate(call.operation, call.region, parameters, fail_task=fail_task), "ok"
        except ApiError as error:
            return self._refusal(error), error.code

    async def _speak(self, call: Call) -> Response:
        response, outcome = await self._answer_in_time(call, None)
        self.counters.count(call.operation, outcome)
        return self._numbered(response)

    async def _answer_in_time(self, call: Call, fail_task: str | None) -> tuple[Response, str]:
        if call.operation != _SLOW_OPERATION:
            return self._answer(call, fail_task=fail_task)
        request = call.request
        try:
            parameters = self.model.parse(
                call.operation, call.parameter, request.query, request.headers, request.body
            )
            return await self.service.speak(call.region, parameters), "ok"
        except ApiError as error:
            return self._refusal(error), error.code

    def _refusal(self, error: ApiError) -> Response:
        return error_response(error, error.status or self.model.status_of(error.code))

    async def _faulty(self, fault: Fault, call: Call) -> Response:
        if fault.error or fault.drop == "before":
            await asyncio.sleep(fault.delay_seconds)
            error = ApiError(fault.error or "InternalFailure", fault.message, status=fault.status)
            dropped = fault.drop == "before"
            self.counters.count(call.operation, "dropped before" if dropped else error.code)
            return replace(self._numbered(self._refusal(error)), delivery="drop" if dropped else "whole")
        response, outcome = await self._answer_in_time(call, fault.fail_task)
        self._numbered(response)
        await asyncio.sleep(fault.delay_seconds)
        if fault.drop == "after":
            outcome, response = "dropped after", replace(response, delivery="drop")
        elif fault.cut:
            outcome, response = "cut", replace(response, delivery="cut")
        elif fault.page:
            html = fault.page.encode("latin-1", errors="xmlcharrefreplace")
            headers = (("Content-Type", "text/html"),)
            outcome = "page"
            response = replace(response, status=fault.status or 200, body=html, headers=headers)
        self.counters.count(call.operation, outcome)
        return response
