"""Routing of requests to the parts of the emulator, and the effect of faults on the responses."""

from __future__ import annotations

import asyncio
import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.api.operations import PollyService, error_response
from airflow_polly_provider.emulator.aws.services import service_of
from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.service_model import ApiModel
from airflow_polly_provider.emulator.control.admin import Admin
from airflow_polly_provider.emulator.control.faults import Counters, Faults
from airflow_polly_provider.emulator.http.browsers import BrowserGuard
from airflow_polly_provider.emulator.http.messages import Response
from airflow_polly_provider.emulator.http.refusal import refusal, scope_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.control.faults import Fault
    from airflow_polly_provider.emulator.http.messages import Request

log = logging.getLogger(__name__)

_MAX_POLLY_BODY = 4 * 1024 * 1024
_MOTO_THREADS = 8
_SQS_THREADS = 64
_SLOW_OPERATION = "SynthesizeSpeech"
# The outcome of a call whose client disconnected before the response was ready.
_DISCONNECTED = "disconnected"
_BROKEN = "InternalFailure"


@dataclass(frozen=True, slots=True)
class Call:
    """A request for one of Polly's operations.

    :param request: the request.
    :param region: the region in the request's credential scope.
    :param operation: the operation's name in the service model.
    :param parameter: the path parameter, if the operation's route has one.
    """

    request: Request
    region: str
    operation: str
    parameter: str | None


class Application:
    """The emulator without its server: :meth:`handle` turns a request into a response.

    :param settings: the emulator's settings.
    :param clock: the source of timestamps.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.model = ApiModel()
        self.faults = Faults(self.model.operation_names)
        self.counters = Counters()
        self.service = PollyService(settings, clock, self.model)
        self._guard = BrowserGuard(settings.cors_origins)
        self._admin = Admin(settings, clock, self.faults, self.counters, self.service)
        self._pool = ThreadPoolExecutor(_MOTO_THREADS, thread_name_prefix="polly-emulator-aws")
        # An SQS request may wait up to 20 seconds for a message. SQS has a separate pool, so that these waits
        # do not delay requests to other services.
        self._waiting_pool = ThreadPoolExecutor(_SQS_THREADS, thread_name_prefix="polly-emulator-sqs")
        self._request_numbers = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Start the emulator on the running event loop, which also serves the requests."""
        self._loop = asyncio.get_running_loop()
        self.service.open()

    def announce(self, endpoint_url: str, address: str) -> None:
        """Pass the emulator's address to the parts that need it.

        :param endpoint_url: the emulator's URL.
        :param address: the IP address that the emulator is bound to.
        """
        self._guard.bind(address)
        self.service.announce(endpoint_url)

    def close(self) -> None:
        """Stop all work. Blocks until it has stopped."""
        self.service.close()
        for pool in (self._pool, self._waiting_pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response to a request.

        :param request: a request to Polly, to another service or to the control interface.
        """
        refusal = self._guard.refuse(request)
        if refusal is not None:
            return refusal
        if "origin" not in request.headers:
            return self._route(request)
        answer = self._guard.preflight(request) or self._route(request)
        if isinstance(answer, Response):
            return self._guard.share(request, answer)
        return self._guard.share_later(request, answer)

    def _route(self, request: Request) -> Response | Awaitable[Response]:
        if request.path == "/_emulator" or request.path.startswith("/_emulator/"):
            return self._admin.handle(request)
        scope = scope_of(request)
        if scope is None and request.path.startswith("/v1/"):
            error = ApiError(
                "MissingAuthenticationTokenException", "Missing Authentication Token", status=403
            )
            return error_response(error, 403)
        if scope is not None and scope.service == "polly":
            return self._polly(request, scope.region)
        try:
            service = service_of(request, scope and scope.service)
        except ApiError as error:
            return refusal(request, error.status or 403, error.code, error.message)
        assert self._loop is not None
        pool = self._waiting_pool if service == "sqs" else self._pool
        work = self._loop.run_in_executor(pool, self.service.aws.serve, request, service)
        # Finish a received S3 request even if its client disconnects.
        return asyncio.shield(work) if service == "s3" else work

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
        """Run the operation, and return its response and its outcome for the counters."""
        try:
            parameters = self._parameters(call)
            return self.service.operate(call.operation, call.region, parameters, fail_task=fail_task), "ok"
        except ApiError as error:
            return self._refusal(error), error.code

    async def _speak(self, call: Call) -> Response:
        outcome = _BROKEN
        try:
            response, outcome = await self._answer_in_time(call, None)
        except asyncio.CancelledError:
            outcome = _DISCONNECTED
            raise
        finally:
            self.counters.count(call.operation, outcome)
        return self._numbered(response)

    async def _answer_in_time(self, call: Call, fail_task: str | None) -> tuple[Response, str]:
        if call.operation != _SLOW_OPERATION:
            return self._answer(call, fail_task=fail_task)
        try:
            parameters = self._parameters(call)
            return await self.service.speak(call.region, parameters), "ok"
        except ApiError as error:
            return self._refusal(error), error.code

    def _parameters(self, call: Call) -> dict[str, Any]:
        request = call.request
        return self.model.parse(
            call.operation,
            call.parameter,
            request.query,
            request.headers,
            request.body,
            method=request.method,
        )

    def _refusal(self, error: ApiError) -> Response:
        return error_response(error, error.status or self.model.status_of(error.code))

    async def _faulty(self, fault: Fault, call: Call) -> Response:
        outcome = _BROKEN
        try:
            if fault.error or fault.drop == "before":
                error = ApiError(fault.error or "InternalFailure", fault.message, status=fault.status)
                dropped = fault.drop == "before"
                outcome = "dropped before" if dropped else error.code
                response = replace(
                    self._numbered(self._refusal(error)), delivery="drop" if dropped else "whole"
                )
            else:
                response, outcome = await self._answer_in_time(call, fault.fail_task)
                response, outcome = _spoilt(fault, self._numbered(response), outcome)
            await asyncio.sleep(fault.delay_seconds)
        except asyncio.CancelledError:
            outcome = _DISCONNECTED if outcome == _BROKEN else outcome
            raise
        finally:
            self.counters.count(call.operation, outcome)
        return response


def _spoilt(fault: Fault, response: Response, outcome: str) -> tuple[Response, str]:
    if fault.drop == "after":
        return replace(response, delivery="drop"), "dropped after"
    if fault.cut:
        return replace(response, delivery="cut"), "cut"
    if fault.page:
        html = fault.page.encode("latin-1", errors="xmlcharrefreplace")
        headers = (("Content-Type", "text/html"),)
        return replace(response, status=fault.status or 200, body=html, headers=headers), "page"
    return response, outcome
