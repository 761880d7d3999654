"""The operator that hands over what Polly knows of a synthesis task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import aws_template_fields
from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.results.delivery import status_pushed_on_failure
from airflow_polly_provider.results.synthesis_task import synthesis_task_id_of
from airflow_polly_provider.wait.schedule import DEFAULT_POKE_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS
from airflow_polly_provider.wait.worker import LOOK_UP_PATIENCE_SECONDS, look_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_polly_provider.compat import Context, XComArg


class PollyGetSpeechSynthesisTaskOperator(PollyWaitingOperator):
    """Hand over what Polly knows of a synthesis task.

    Pushes the same XComs as the start operator. Without waiting it succeeds with any TaskStatus, ``failed``
    too; when it waits, a synthesis task that failed fails it for good.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, or a SynthesisTask as the start operator returns it
    :param wait_for_completion: whether to wait until the synthesis task completed
    :param deferrable: how to wait, as for the start operator
    :param end_from_trigger: with ``deferrable``, end the task in the triggerer, as for the start operator
    :param poke_interval: the longest interval between two status checks, in seconds or as a timedelta
    :param timeout: how long to wait, in seconds or as a timedelta, in this try; 72 hours unless given
    :raises PollySynthesisTaskNotFoundError: Polly did not know the id for 30 seconds; never retried
    :raises PollySynthesisTaskFailedFinalError: it waited, and Polly reports TaskStatus ``failed``
    :raises PollyWaitTimeoutError: the timeout passed

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are those of every operator of the
    amazon provider.
    """

    template_fields: Sequence[str] = aws_template_fields("synthesis_task_id")

    def __init__(
        self,
        *,
        synthesis_task_id: str | Mapping[str, Any] | XComArg,
        wait_for_completion: bool = False,
        deferrable: bool | None = None,
        end_from_trigger: bool = False,
        poke_interval: float | timedelta = DEFAULT_POKE_INTERVAL_SECONDS,
        timeout: float | timedelta = DEFAULT_TIMEOUT_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            end_from_trigger=end_from_trigger,
            poke_interval=poke_interval,
            timeout=timeout,
            **kwargs,
        )
        # Any: what it holds is known only when Airflow has rendered it.
        self.synthesis_task_id: Any = synthesis_task_id
        self._claims_output = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask Polly, wait if asked to, and return the SynthesisTask in its XCom form."""
        synthesis_task_id = synthesis_task_id_of(self.synthesis_task_id)
        with status_pushed_on_failure(self, context):
            synthesis_task = look_up(self.hook, synthesis_task_id, patience=LOOK_UP_PATIENCE_SECONDS)
            if self.wait_for_completion:
                synthesis_task = self._wait(context, synthesis_task)
        return self._deliver(context, synthesis_task)
