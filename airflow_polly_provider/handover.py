"""What operators and sensor have in common: the trigger they defer to, and what later tasks get."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.lineage import OutputLineage
from airflow_polly_provider.settings import needs_airflow_3_3
from airflow_polly_provider.synthesis_task import (
    TaskStatus,
    failure_of,
    push_own_xcom_keys,
    to_xcom_value,
)
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_polly_provider.waiting import Schedule

TRIGGER_TIMEOUT_MARGIN = timedelta(minutes=5)
"""How much later than our own deadline Airflow's trigger time-out, the net under it, ends a deferral."""


class SynthesisTaskHandover(OutputLineage):
    """Mixin of the operators and the sensor, all on the amazon provider's bases."""

    aws_hook_class = PollyHook
    failed_is_final = True
    """Whether a retry could only meet the same failed synthesis task again."""

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None
    do_xcom_push: bool
    on_success_callback: Any
    end_from_trigger: bool

    output_uri: str | None = None
    """``OutputUri`` as soon as it is known in this process, for the links to the console."""

    def _trigger(
        self, synthesis_task_id: str, schedule: Schedule, deadline: float, **settings: Any
    ) -> PollySpeechSynthesisTaskTrigger:
        """Return the trigger that waits with every setting of this operator's hook."""
        return PollySpeechSynthesisTaskTrigger(
            synthesis_task_id=synthesis_task_id,
            deadline=deadline,
            **self._trigger_settings(schedule),
            **settings,
        )

    def _trigger_settings(self, schedule: Schedule) -> dict[str, Any]:
        return {
            "poke_interval": schedule.poke_interval,
            "exponential_backoff": schedule.exponential_backoff,
            "max_wait": schedule.max_wait,
            "end_from_trigger": self.end_from_trigger,
            "push_xcom": self.do_xcom_push,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }

    def _check_end_from_trigger(self, deferrable: bool) -> None:
        """Refuse what ending in the triggerer cannot do, and warn of what is lost."""
        if not self.end_from_trigger:
            return
        if not deferrable:
            raise ValueError("end_from_trigger=True needs deferrable=True: the triggerer ends the task.")
        needs_airflow_3_3("end_from_trigger")
        if self.on_success_callback or self.outlets:
            warnings.warn(
                "end_from_trigger=True: the task ends in the triggerer, where Airflow runs no success "
                "callback and sends no asset event.",
                UserWarning,
                stacklevel=4,
            )

    def _hand_over(
        self, context: Context, synthesis_task: Mapping[str, Any], *, failed_is_error: bool
    ) -> dict[str, Any]:
        """Push the XComs of a SynthesisTask under their own keys, report its object, return its XCom form.

        :param context: the running task's context
        :param synthesis_task: the SynthesisTask
        :param failed_is_error: whether to raise for TaskStatus ``failed``
        """
        self.output_uri = synthesis_task.get("OutputUri")
        if failed_is_error and synthesis_task.get("TaskStatus") == TaskStatus.FAILED:
            raise failure_of(synthesis_task, final=self.failed_is_final)
        value = to_xcom_value(synthesis_task)
        if self.do_xcom_push:
            push_own_xcom_keys(context, value)
        completed = value.get("TaskStatus") == TaskStatus.COMPLETED
        self._report_output(context, value, written=completed and not value.get("Unchanged"))
        return value
