"""The operator that fetches a synthesis task from Polly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.base import aws_template_fields
from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.results.delivery import failure_pushed
from airflow_polly_provider.results.synthesis_task import synthesis_task_id_of
from airflow_polly_provider.wait.schedule import DEFAULT_POKE_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS
from airflow_polly_provider.wait.worker import LOOK_UP_PATIENCE_SECONDS, look_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow_polly_provider.compat import Context, XComArg


class PollyGetSpeechSynthesisTaskOperator(PollyWaitingOperator):
    """Fetch a synthesis task from Polly, and optionally wait until it completes.

    Pushes the same XComs as the start operator, except ``RequestDigest`` in ``return_value``. If the operator
    does not wait, the Airflow task succeeds with any TaskStatus, including ``failed``. If the operator waits
    and the synthesis task fails, the Airflow task fails and is not retried.

    .. seealso:: https://docs.aws.amazon.com/polly/latest/dg/API_GetSpeechSynthesisTask.html

    :param synthesis_task_id: Polly's ``TaskId``, or a SynthesisTask as the start operator returns it
    :param wait_for_completion: whether to wait until the synthesis task completes; default False
    :param deferrable: whether to wait in the triggerer, which frees the worker slot (True), or in the worker
        (False); None uses ``[operators] default_deferrable``
    :param end_from_trigger: whether to end the Airflow task in the triggerer, without a worker, when the
        synthesis task completes. The triggerer then pushes the XComs. Requires ``wait_for_completion``,
        ``deferrable`` and Airflow 3.3+. Success callbacks and listeners then do not run, and no asset event
        is created
    :param poke_interval: maximum interval between two status checks, in seconds or as a timedelta; default 30
        seconds. The first interval is 2 seconds, and later ones grow to this maximum
    :param timeout: maximum time to wait in each try, in seconds or as a timedelta, counted from Polly's first
        response in that try; default 72 hours
    :raises PollySynthesisTaskNotFoundError: Polly did not find the id within 30 seconds; never retried
    :raises PollySynthesisTaskFailedFinalError: the operator waited, and Polly reports TaskStatus ``failed``;
        never retried
    :raises PollyWaitTimeoutError: the timeout passed

    ``aws_conn_id``, ``region_name``, ``verify`` and ``botocore_config`` are the standard parameters of the
    amazon provider's operators.
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
        # Any: the type is known only after Airflow has rendered the template.
        self.synthesis_task_id: Any = synthesis_task_id
        self._claims_output = wait_for_completion

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the synthesis task, wait if requested, and return the SynthesisTask in its XCom form."""
        with failure_pushed(self, context):
            synthesis_task_id = synthesis_task_id_of(self.synthesis_task_id)
            synthesis_task = look_up(self.hook, synthesis_task_id, patience=LOOK_UP_PATIENCE_SECONDS)
            if self.wait_for_completion:
                synthesis_task = self._wait(context, synthesis_task)
            return self._deliver(context, synthesis_task)
