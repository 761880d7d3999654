"""One DAG for each mode. Its worker processes can pause at given points, so that they can be killed there.

A run's conf has the keys ``connection``, ``prefix``, ``look`` (``[aws_polly] start_look_seconds``; if
missing, the default applies) and ``hold``. ``hold`` is the name of the point at which the first process
pauses. That process writes its process id to a file in the folder ``POLLY_FAULTS_HOLD``, and continues when
the file ``<run id>.go`` exists.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config

from airflow_polly_provider.batch import run as batch_run
from airflow_polly_provider.batch.manifest import STARTING, WAITING
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.compat import DAG, get_current_context, task
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.output.placement import OutputPlacement
from airflow_polly_provider.start.current_run import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.batch.manifest import Manifest
    from airflow_polly_provider.batch.run import BatchSettings
    from airflow_polly_provider.output.provenance import OutputPlan

MAPPED = int(os.environ.get("POLLY_FAULTS_MAPPED", "20"))
BATCH = int(os.environ.get("POLLY_FAULTS_BATCH", "200"))
BUCKET = os.environ.get("POLLY_FAULTS_BUCKET", "polly-faults")
HELD_SECONDS = 180
TIMEOUTS: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 3}
DEFAULTS = {"retries": 3, "retry_delay": timedelta(seconds=2)}
MANUAL: dict[str, Any] = {"schedule": None, "start_date": datetime(2025, 1, 1), "catchup": False}
REQUEST: dict[str, Any] = {"output_s3_bucket_name": BUCKET, "voice_id": "Amy", "output_format": "mp3"}


def hold(place: str, context: Any = None) -> None:
    """Pause if the conf names this point and no earlier process of this task instance has paused."""
    context = context or get_current_context()
    if context["dag_run"].conf.get("hold") != place:
        return
    ti = context["ti"]
    marker = Path(
        os.environ["POLLY_FAULTS_HOLD"], f"{ti.run_id}.{-1 if ti.map_index is None else ti.map_index}"
    )
    released = marker.with_name(f"{ti.run_id}.go")
    if marker.exists() or released.exists():
        return
    # Rename the complete file, so that no reader finds a half-written file.
    unfinished = marker.with_name(f"{marker.name}.{os.getpid()}.unfinished")
    unfinished.write_text(f"{os.getpid()} {os.getppid()}")
    unfinished.rename(marker)
    until = time.monotonic() + HELD_SECONDS
    while time.monotonic() < until and not released.exists():
        time.sleep(0.2)


class HeldHook(PollyHook):
    """PollyHook that the benchmark can pause: around the start request, and before each status check."""

    def start_speech_synthesis_task(self, request: Mapping[str, Any]) -> Any:
        """Start a synthesis task. If the conf requests it, pause before or after the request."""
        hold("before the call")
        started = super().start_speech_synthesis_task(request)
        hold("after the call")
        return started

    def get_speech_synthesis_task(self, synthesis_task_id: str) -> Any:
        """Request the status. If the conf requests it, pause before the request."""
        hold("waiting")
        return super().get_speech_synthesis_task(synthesis_task_id)


class HeldPlacement(OutputPlacement):
    """OutputPlacement that the benchmark can pause: before and after the copy, and after the removal."""

    def _copy(self, *args: Any) -> bool:
        hold("before the copy")
        copied = super()._copy(*args)
        hold("copied")
        return copied

    def _remove_original(self, *args: Any) -> None:
        super()._remove_original(*args)
        hold("removed")


class HeldManifestStore(ManifestStore):
    """ManifestStore that the benchmark can pause: after each write, and before the one after the starts."""

    def save(self, manifest: Manifest) -> None:
        """Write the manifest. If the conf requests it, pause before or after."""
        if manifest.phase == WAITING:
            hold("started")
        super().save(manifest)
        hold({STARTING: "claimed", WAITING: "remembered"}.get(manifest.phase, "delivered"))


class UnavailableStore:
    """A task state store whose backend cannot be reached."""

    def get(self, *_: Any) -> Any:
        """Fail."""
        raise OSError("the state backend is unavailable")

    set = get


class HeldOperator(PollyStartSpeechSynthesisTaskOperator):
    """The start operator, which the benchmark can pause at given points."""

    aws_hook_class = HeldHook

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the operator with the search time from the conf."""
        conf = context["dag_run"].conf
        if look := conf.get("look"):
            os.environ["AIRFLOW__AWS_POLLY__START_LOOK_SECONDS"] = str(look)
        if conf.get("store_away") and context["ti"].try_number == 1 and "task_state_store" in context:
            context["task_state_store"] = UnavailableStore()
        return super().execute(context)

    def _placement(self, context: Any, plan: OutputPlan) -> HeldPlacement:
        return HeldPlacement(
            plan,
            current_run(context),
            hook=self.hook,
            s3=self._s3,
            keep_original=self.keep_original,
            skip_if_unchanged=self.skip_if_unchanged,
            adoptable=self.durable,
        )

    def _start(self, context: Any, *args: Any) -> Mapping[str, Any]:
        started = super()._start(context, *args)
        hold("remembered", context)
        return started

    def execute_complete(self, context: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Resume after the deferral. If the conf requests it, pause before resuming."""
        hold("resume", context)
        return super().execute_complete(context, *args, **kwargs)


class HeldBatchOperator(PollySynthesizeBatchOperator):
    """The batch operator, which the benchmark can pause at given points."""

    aws_hook_class = HeldHook

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the operator with the search time from the conf."""
        conf = context["dag_run"].conf
        if look := conf.get("look"):
            os.environ["AIRFLOW__AWS_POLLY__START_LOOK_SECONDS"] = str(look)
        batch_run.OutputPlacement = HeldPlacement  # type: ignore[attr-defined]  # in this task's process only
        return super().execute(context)

    def execute_complete(self, context: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Resume after the deferral. If the conf requests it, pause before resuming."""
        batch_run.OutputPlacement = HeldPlacement  # type: ignore[attr-defined]  # in this task's process only
        hold("resume", context)
        return super().execute_complete(context, *args, **kwargs)

    def _settings(self, context: Any, manifest: S3Location) -> BatchSettings:
        settings = super()._settings(context, manifest)
        return replace(settings, store=HeldManifestStore(lambda: settings.s3.client, manifest))


OPERATOR: dict[str, Any] = {
    **REQUEST,
    "task_id": "start",
    "aws_conn_id": "{{ dag_run.conf['connection'] }}",
    "output_s3_key_prefix": "{{ dag_run.conf['prefix'] }}",
    "botocore_config": TIMEOUTS,
}


@task
def output_uri(started: Any) -> list[str]:
    """Return the OutputUri that a later task receives."""
    return [started["OutputUri"]]


@task
def output_uris(started: Any) -> list[str]:
    """Return the OutputUris that a later task receives from a mapped task."""
    return [one["OutputUri"] for one in started]


with DAG("deferrable", **MANUAL, default_args=DEFAULTS):
    output_uri(HeldOperator(**OPERATOR, text="Hello.", deferrable=True).output)

with DAG("in_worker", **MANUAL, default_args=DEFAULTS):
    output_uri(HeldOperator(**OPERATOR, text="Hello.", deferrable=False).output)

with DAG("not_waiting", **MANUAL, default_args=DEFAULTS):
    output_uri(HeldOperator(**OPERATOR, text="Hello.", wait_for_completion=False).output)

NAMED: dict[str, Any] = {
    **OPERATOR,
    "output_s3_key": "{{ dag_run.conf['prefix'] }}named.mp3",
    "skip_if_unchanged": True,
}

with DAG("named", **MANUAL, default_args=DEFAULTS):
    output_uri(HeldOperator(**NAMED, text="Hello.", deferrable=True).output)

with DAG("named_in_worker", **MANUAL, default_args=DEFAULTS):
    output_uri(HeldOperator(**NAMED, text="Hello.", deferrable=False).output)

with DAG("mapped", **MANUAL, default_args=DEFAULTS, max_active_tasks=64):
    output_uris(
        HeldOperator.partial(**OPERATOR, deferrable=True)
        .expand(text=[f"Hello, number {number}." for number in range(10, 10 + MAPPED)])
        .output
    )


@task(task_id="output_uris")
def batch_output_uris(result: Any) -> list[str]:
    """Return the OutputUris that a later task receives from a batch."""
    return [item["OutputUri"] for item in result["Items"]]


ITEMS = [{"text": f"Hello, number {number}."} for number in range(BATCH)]
NAMED_ITEMS = [
    {**item, "output_s3_key": "{{ dag_run.conf['prefix'] }}" + f"{number}.mp3"}
    for number, item in enumerate(ITEMS)
]

with DAG("batch", **MANUAL, default_args=DEFAULTS):
    batch_output_uris(HeldBatchOperator(**OPERATOR, items=ITEMS, deferrable=True).output)

with DAG("batch_in_worker", **MANUAL, default_args=DEFAULTS):
    batch_output_uris(HeldBatchOperator(**OPERATOR, items=ITEMS, deferrable=False).output)

with DAG("batch_named", **MANUAL, default_args=DEFAULTS):
    batch_output_uris(HeldBatchOperator(**OPERATOR, items=NAMED_ITEMS, deferrable=True).output)

with DAG("plain_boto3", **MANUAL, default_args=DEFAULTS):

    @task
    def start() -> dict[str, Any]:
        """Start a synthesis task and wait for it, with boto3's default settings."""
        conf: Any = get_current_context()["dag_run"].conf
        polly: Any = AwsBaseHook(
            conf["connection"], client_type="polly", config=Config(**TIMEOUTS)
        ).get_conn()
        hold("before the call")
        started = polly.start_speech_synthesis_task(
            Text="Hello.",
            VoiceId="Amy",
            OutputFormat="mp3",
            OutputS3BucketName=BUCKET,
            OutputS3KeyPrefix=conf["prefix"] + "plain",
        )["SynthesisTask"]
        hold("after the call")
        hold("waiting")
        while started["TaskStatus"] not in ("completed", "failed"):
            time.sleep(2)
            started = polly.get_speech_synthesis_task(TaskId=started["TaskId"])["SynthesisTask"]
        return {name: started[name] for name in ("TaskId", "TaskStatus", "OutputUri", "RequestCharacters")}

    output_uri(start())
