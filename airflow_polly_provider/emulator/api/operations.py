"""Polly's operations, for requests that are already parsed and validated."""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.api.catalogue import Catalogue
from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.quotas import QuotaKeeper, validate_quotas
from airflow_polly_provider.emulator.base.voices import describe
from airflow_polly_provider.emulator.http.messages import Response
from airflow_polly_provider.emulator.speech import rules
from airflow_polly_provider.emulator.speech.synthesis import SynthesisError
from airflow_polly_provider.emulator.tasks.disk import KeptTask
from airflow_polly_provider.emulator.tasks.jobs import Jobs, state_errors
from airflow_polly_provider.emulator.tasks.output import CONTENT_TYPES, output_key
from airflow_polly_provider.emulator.tasks.seeding import plant
from airflow_polly_provider.emulator.tasks.store import COMPLETED, FAILED, SynthesisTask, TaskStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.aws.services import Aws
    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.service_model import ApiModel
    from airflow_polly_provider.emulator.base.settings import Settings
    from airflow_polly_provider.emulator.tasks.disk import DiskState
    from airflow_polly_provider.emulator.tasks.seeding import Seed
    from airflow_polly_provider.emulator.text.lexicons import LexiconShelf
    from airflow_polly_provider.emulator.text.pronunciation import Lexeme

_TICK_SECONDS = 0.05
_DEFAULT_PAGE = 100


class PollyService:
    """Polly, with a separate task store and separate lexicons for each region.

    Call the methods on the server's event loop.

    :param settings: the emulator's settings.
    :param clock: the source of timestamps.
    :param model: the service model.
    """

    def __init__(self, settings: Settings, clock: Clock, model: ApiModel) -> None:
        self._settings = settings
        self._clock = clock
        self._stores: dict[str, TaskStore] = {}
        self._echoed = model.echoed("StartSpeechSynthesisTask", "SynthesisTask")
        self._catalogue = Catalogue(model, clock)
        self.quotas = QuotaKeeper(validate_quotas(settings.quotas), clock)
        self._jobs = Jobs(settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick_handle: asyncio.TimerHandle | None = None
        self._closed = False
        self._operations: dict[str, Callable[[str, dict[str, Any]], Response]] = {
            "GetSpeechSynthesisTask": self._get,
            "ListSpeechSynthesisTasks": self._list,
            **self._catalogue.operations,
        }

    def open(self) -> None:
        """Start the service, and restore the data that an earlier emulator stored in the state folder."""
        self._loop = asyncio.get_running_loop()
        self._jobs.open()
        if self._jobs.state is not None:
            self._restore(self._jobs.state)

    def close(self) -> None:
        """Stop all work. Blocks until the child processes have ended."""
        self._closed = True
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        self._jobs.close()

    def announce(self, endpoint_url: str) -> None:
        """Write this emulator's URL into the state folder. A second emulator shows it in an error message.

        :param endpoint_url: the emulator's URL.
        """
        if self._jobs.state is not None:
            self._jobs.state.announce(endpoint_url)

    @property
    def aws(self) -> Aws:
        """Return the other AWS services: S3, SNS, SQS and STS."""
        return self._jobs.aws

    def store(self, region: str) -> TaskStore:
        """Return the synthesis tasks of a region.

        :param region: an AWS region, such as ``us-east-1``.
        """
        if region not in self._stores:
            self._stores[region] = TaskStore(
                self._clock,
                on_end=functools.partial(self._jobs.ended, region),
                on_forget=self._jobs.forgotten,
            )
        return self._stores[region]

    def operate(
        self, operation: str, region: str, parameters: dict[str, Any], *, fail_task: str | None = None
    ) -> Response:
        """Run an operation and return its response.

        :param operation: the operation's name in the service model.
        :param region: the region in the request's credential scope.
        :param parameters: the request's parameters, already validated against the service model.
        :param fail_task: the reason with which the started synthesis task fails; None to run it normally.
        :raises ApiError: if Polly would return an error.
        """
        self.quotas.spend(operation, region, parameters)
        if operation == "StartSpeechSynthesisTask":
            return self._start(region, parameters, fail_task)
        work = self._operations.get(operation)
        if work is None:
            raise ApiError(
                "UnknownOperationException", f"The emulator does not serve {operation}", status=501
            )
        return work(region, parameters)

    def seed(self, seed: Seed, region: str | None = None) -> list[str]:
        """Add synthesis tasks that no client started.

        :param seed: the synthesis tasks to add.
        :param region: their region; None for the emulator's default region.
        :return: their TaskIds, oldest first.
        """
        region = region or self._settings.region
        task_ids = plant(seed, self.store(region), self._clock, region)
        self._plan_tick()
        return task_ids

    def reset(self) -> None:
        """Delete all synthesis tasks and lexicons, and reset the quotas to the values in the settings."""
        self._stores.clear()
        self._jobs.forget()
        if self._jobs.state is not None:
            self._jobs.state.clear()
        self._catalogue.reset()
        self.quotas.set(validate_quotas(self._settings.quotas))

    def tick(self) -> None:
        """Apply all status changes that are due, and schedule the next call of this method."""
        self._tick_handle = None
        for store in self._stores.values():
            store.advance()
        self._plan_tick()

    def _plan_tick(self) -> None:
        if self._tick_handle is not None or self._loop is None or self._closed:
            return
        due = [at for store in self._stores.values() if (at := store.next_event_at()) is not None]
        if due:
            wait = max(min(due) - self._clock.time(), _TICK_SECONDS)
            self._tick_handle = self._loop.call_later(min(wait, 1.0), self.tick)

    def _get(self, region: str, parameters: dict[str, Any]) -> Response:
        task = self.store(region).get(parameters["TaskId"])
        return Response(200, b'{"SynthesisTask": ' + task.as_json() + b"}")

    def _list(self, region: str, parameters: dict[str, Any]) -> Response:
        tasks, token = self.store(region).page(
            status=parameters.get("Status"),
            limit=parameters.get("MaxResults", _DEFAULT_PAGE),
            token=parameters.get("NextToken"),
            newest_first=self._settings.newest_first,
        )
        body = b'{"SynthesisTasks": [' + b", ".join([task.as_json() for task in tasks]) + b"]"
        return Response(200, body + (b', "NextToken": "%s"}' % token.encode() if token else b"}"))

    def _start(self, region: str, parameters: dict[str, Any], fail_task: str | None) -> Response:
        billed = rules.check_synthesis(parameters, limits=rules.TASK_LIMITS, task=True)
        rules.check_output(parameters)
        lexemes = self._lexemes(region, parameters)
        job = self._new_job(region, parameters, lexemes, billed)
        self._jobs.keep(job)
        task = self._remember(job)
        if fail_task is not None:
            self._jobs.report(task, self.store(region), FAILED, fail_task)
        else:
            self._jobs.submit(job, task, self.store(region))
        self._plan_tick()
        return Response(200, b'{"SynthesisTask": ' + task.as_json() + b"}")

    def _new_job(
        self, region: str, parameters: dict[str, Any], lexemes: list[Lexeme], billed: int
    ) -> KeptTask:
        task_id = str(uuid.uuid4())
        key = output_key(parameters.get("OutputS3KeyPrefix"), task_id, parameters["OutputFormat"])
        details = {name: parameters[name] for name in self._echoed if name in parameters}
        details.setdefault("TextType", "text")
        bucket = parameters["OutputS3BucketName"]
        details["OutputUri"] = f"https://s3.{region}.amazonaws.com/{bucket}/{key}"
        details["RequestCharacters"] = billed
        created = self._clock.time()
        starts_at = created + self._settings.scheduled_seconds
        return KeptTask(
            task_id,
            region,
            created,
            details,
            parameters,
            lexemes,
            key,
            starts_at=starts_at,
            ends_at=starts_at + self._settings.in_progress_seconds,
            visible_at=created + self._settings.list_delay_seconds,
        )

    def _remember(self, job: KeptTask) -> SynthesisTask:
        store = self.store(job.region)
        task = SynthesisTask(job.task_id, store.new_key(job.created), job.details)
        if job.ended and job.outcome:
            task.status, task.reason = job.outcome, job.reason
        store.add(task, starts_at=job.starts_at, ends_at=job.ends_at, visible_at=job.visible_at)
        return task

    def _restore(self, state: DiskState) -> None:
        for region, lexicon in state.lexicons():
            self._catalogue.shelf(region).lexicons[lexicon.name] = lexicon
        self._catalogue.on_change = functools.partial(_keep_lexicons, state)
        for bucket, region in state.buckets():
            self.aws.create_bucket(bucket, region)
        jobs = list(state.tasks())
        if jobs and jobs[-1].created > self._clock.time():
            # The earlier emulator's clock was set forward, so set this clock forward too. Otherwise,
            # unfinished tasks would wait until this clock reaches their stored times.
            self._clock.advance(jobs[-1].created - self._clock.time())
        for job in jobs:
            task = self._remember(job)
            if job.outcome == COMPLETED:
                self._jobs.restore_object(job)
            if job.outcome is None:
                self._jobs.submit(job, task, self.store(job.region))
            else:
                self.store(job.region).report(task, job.outcome, job.reason)
        self._plan_tick()

    async def speak(self, region: str, parameters: dict[str, Any]) -> Response:
        """Run SynthesizeSpeech and return its response.

        :param region: the region in the request's credential scope.
        :param parameters: the request's parameters, already validated against the service model.
        :raises ApiError: if Polly would return an error.
        """
        self.quotas.spend("SynthesizeSpeech", region, parameters)
        billed = rules.check_synthesis(parameters, limits=rules.SPEECH_LIMITS, task=False)
        lexemes = self._lexemes(region, parameters)
        try:
            audio = await self._jobs.speak(parameters, lexemes, max_seconds=rules.LONGEST_SPEECH_SECONDS)
        except (SynthesisError, OSError) as error:
            raise ApiError("ServiceFailureException", str(error)) from error
        content_type = CONTENT_TYPES[parameters["OutputFormat"]]
        return Response(
            200, audio, (("Content-Type", content_type), ("x-amzn-RequestCharacters", str(billed)))
        )

    def _lexemes(self, region: str, parameters: dict[str, Any]) -> list[Lexeme]:
        shelf = self._catalogue.shelf(region)
        language = parameters.get("LanguageCode") or describe(parameters["VoiceId"])["LanguageCode"]
        lexicons = [shelf.find(name) for name in parameters.get("LexiconNames", [])]
        return [lexeme for lexicon in lexicons if lexicon.speaks(language) for lexeme in lexicon.lexemes]


def _keep_lexicons(state: DiskState, region: str, shelf: LexiconShelf) -> None:
    with state_errors("store the lexicons"):
        state.keep_lexicons(region, shelf)


def error_response(error: ApiError, status: int) -> Response:
    """Build an error response in Polly's protocol, restJson1.

    :param error: the error to report.
    :param status: the HTTP status.
    """
    body = json.dumps({"message": error.message, **error.members}).encode()
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    if error.detail is not None:
        headers.append(("x-emulator-detail", error.detail.encode("unicode_escape").decode()))
    return Response(status, body, tuple(headers))
