"""The trigger that waits for a synthesis task. It stores the settings and delegates to the status poller."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES, TaskStatus
from airflow_polly_provider.compat import XCom
from airflow_polly_provider.exceptions import PollyError, PollyFinalError
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY, aws_connection_xcom, is_in_s3
from airflow_polly_provider.results.cost import with_estimated_cost
from airflow_polly_provider.results.delivery import log_completed, own_xcoms
from airflow_polly_provider.results.synthesis_task import (
    OWN_XCOM_KEYS,
    synthesis_task_id_of,
    to_xcom_value,
)
from airflow_polly_provider.triggers import events
from airflow_polly_provider.triggers.durations import has_custom_endpoint, with_duration
from airflow_polly_provider.triggers.lifetime import outlast_supervisor, remaining_seconds
from airflow_polly_provider.wait.errors import timed_out
from airflow_polly_provider.wait.poller.blocking import BlockingCalls
from airflow_polly_provider.wait.poller.client import HookSettings
from airflow_polly_provider.wait.poller.pending import TransientError
from airflow_polly_provider.wait.poller.status_poller import poller_for
from airflow_polly_provider.wait.schedule import DEFAULT_POKE_INTERVAL_SECONDS, Schedule, seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import timedelta

_xcom_calls = BlockingCalls("polly-xcom")
"""One thread for the whole process. More would not help: each push waits for the triggerer's supervisor."""


class PollySpeechSynthesisTaskTrigger(BaseTrigger):
    """Fire when a synthesis task completes or fails, or when the deadline passes.

    All waits of one process on one connection share one status poller. The trigger does not raise errors: it
    sends them as events (see :mod:`airflow_polly_provider.triggers.events`).

    :param synthesis_task_id: Polly's ``TaskId``
    :param deadline: end of the wait, in seconds since the epoch; None if only Airflow's trigger timeout ends
        the wait, as for a task that starts in the triggerer
    :param poke_interval: see :class:`~airflow_polly_provider.wait.schedule.Schedule`; seconds or a timedelta
    :param exponential_backoff: see :class:`~airflow_polly_provider.wait.schedule.Schedule`
    :param max_wait: see :class:`~airflow_polly_provider.wait.schedule.Schedule`; seconds or a timedelta
    :param silent_fail: whether to continue after an error that a retry may fix
    :param end_from_trigger: whether to end the Airflow task in the triggerer when the synthesis task
        completes (Airflow 3.3+), without a worker and without success callbacks, listeners and asset events
    :param push_xcom: whether to push XComs when the task ends in the triggerer
    :param extra_xcom: fields to add to the SynthesisTask in ``return_value``
    :param for_resume: values that the task stores when it is deferred; the event passes them back to it
    :param aws_conn_id: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param region_name: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param verify: as in :class:`~airflow_polly_provider.hooks.polly.PollyHook`
    :param botocore_config: botocore configuration as a mapping
    """

    def __init__(
        self,
        *,
        synthesis_task_id: str,
        deadline: float | None = None,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        exponential_backoff: bool = False,
        max_wait: float | timedelta | None = None,
        silent_fail: bool = False,
        end_from_trigger: bool = False,
        push_xcom: bool = True,
        extra_xcom: dict[str, Any] | None = None,
        for_resume: dict[str, Any] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow does not annotate it
        self.synthesis_task_id = synthesis_task_id
        self.deadline = deadline
        self.poke_interval = seconds(poke_interval)
        self.exponential_backoff = exponential_backoff
        self.max_wait = None if max_wait is None else seconds(max_wait)
        self.silent_fail = silent_fail
        self.end_from_trigger = end_from_trigger
        self.push_xcom = push_xcom
        self.extra_xcom = extra_xcom
        self.for_resume = for_resume
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._last_seen: Mapping[str, Any] = {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and every argument."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "synthesis_task_id": self.synthesis_task_id,
                "deadline": self.deadline,
                "poke_interval": self.poke_interval,
                "exponential_backoff": self.exponential_backoff,
                "max_wait": self.max_wait,
                "silent_fail": self.silent_fail,
                "end_from_trigger": self.end_from_trigger,
                "push_xcom": self.push_xcom,
                "extra_xcom": self.extra_xcom,
                "for_resume": self.for_resume,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
                "verify": self.verify,
                "botocore_config": self.botocore_config,
            },
        )

    @property
    def hook_settings(self) -> HookSettings:
        """The settings of the hook that sends the status requests."""
        return HookSettings(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            botocore_config=self.botocore_config,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield one event."""
        began = time.monotonic()
        try:
            event = await self._event_of(await self._wait_until_deadline())
        except PollyError as error:
            error.synthesis_task_id = self.synthesis_task_id
            event = TriggerEvent(events.error_event(error))
        started_here = self.deadline is None
        if not started_here:
            await outlast_supervisor(self.trigger_id, began)
        yield event

    async def _wait_until_deadline(self) -> Mapping[str, Any]:
        # If the triggerer rendered the id from a template, the id has not been checked before.
        self.synthesis_task_id = synthesis_task_id_of(self.synthesis_task_id)
        try:
            async with asyncio.timeout(None if self.deadline is None else remaining_seconds(self.deadline)):
                return await self._wait()
        except TimeoutError as error:
            raise timed_out(self.synthesis_task_id, self._last_seen.get("TaskStatus")) from error

    async def _event_of(self, synthesis_task: Mapping[str, Any]) -> TriggerEvent:
        payload = events.success_event(synthesis_task, self.extra_xcom, self.for_resume)
        # Only a success ends the task here. After a failure, a worker resumes the task, so that retries and
        # callbacks work.
        if not self.end_from_trigger or synthesis_task.get("TaskStatus") != TaskStatus.COMPLETED:
            return TriggerEvent(payload)
        if self.push_xcom and self.trigger_id is not None:
            try:
                measured = await with_duration(synthesis_task, self.hook_settings)
                is_custom = await has_custom_endpoint(self.hook_settings)
                await _xcom_calls.run(self._push_xcoms, measured, has_custom_endpoint=is_custom)
            except Exception as error:  # noqa: BLE001  # any error of Airflow or of a custom XCom back-end
                self.log.warning("Cannot push XComs in the triggerer, so a worker will push them: %s", error)
                return TriggerEvent(payload)
        event = TaskSuccessEvent()
        # dag.test() resumes the task with the payload; a real triggerer sends only the state.
        event.payload = payload
        return event

    def _push_xcoms(self, synthesis_task: Mapping[str, Any], *, has_custom_endpoint: bool) -> None:
        """Push the XComs that a worker would push. Blocks, because it sends requests to the supervisor.

        The event's ``xcoms`` argument is not used: Airflow 3.3.2 encodes its values twice, and later tasks
        would get JSON strings.
        """
        ti: Any = self.task_instance
        value = with_estimated_cost(to_xcom_value(synthesis_task))
        log_completed(value)
        own = own_xcoms(value, OWN_XCOM_KEYS)
        if is_in_s3(value):
            own[AWS_CONNECTION_KEY] = aws_connection_xcom(
                vars(self.hook_settings), has_custom_endpoint=has_custom_endpoint
            )
        for key, field in {**own, "return_value": {**value, **(self.extra_xcom or {})}}.items():
            XCom.set(
                key=key,
                value=field,
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                map_index=ti.map_index,
            )

    async def on_kill(self) -> None:
        """Log that the synthesis task keeps running after a user marked or cleared the deferred Airflow task.

        Airflow 3.3+ calls this method.
        """
        self.log.warning(
            "Synthesis task %s keeps running and is billed (%s characters): Polly cannot cancel it.",
            self.synthesis_task_id,
            self._last_seen.get("RequestCharacters", "unknown"),
        )

    async def _wait(self) -> Mapping[str, Any]:
        while True:
            try:
                return await self._observe()
            except PollyError as error:
                if not self.silent_fail or isinstance(error, PollyFinalError):
                    raise
                self.log.exception(
                    "Waiting for synthesis task %s failed; continuing because silent_fail is set",
                    self.synthesis_task_id,
                )
            await asyncio.sleep(self.poke_interval)

    async def _observe(self) -> Mapping[str, Any]:
        updates = poller_for(self.hook_settings).observe(
            self.synthesis_task_id,
            Schedule(self.poke_interval, self.exponential_backoff, self.max_wait),
        )
        async with aclosing(updates):
            async for item in updates:
                if isinstance(item, TransientError):
                    self.log.warning(
                        "Cannot get the status of synthesis task %s now; still waiting: %s",
                        self.synthesis_task_id,
                        item.error,
                    )
                    continue
                self._last_seen = item
                status = item.get("TaskStatus", "")
                self.log.info("Synthesis task %s is %s", self.synthesis_task_id, status)
                if status in TERMINAL_STATUSES:
                    return item
        raise PollyError(f"The poller stopped watching synthesis task {self.synthesis_task_id}")
