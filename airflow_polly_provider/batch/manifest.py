"""The state of a batch: one record for each item. The spoken text is never part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.aws.task_status import TERMINAL_STATUSES
from airflow_polly_provider.start.token import batch_item_token, prefix_with_token

if TYPE_CHECKING:
    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.start.token import TaskRun

NOT_STARTED = "notStarted"
"""The status of an item without a synthesis task. The other statuses are Polly's own."""

STARTING = "starting"
"""The phase in which the worker starts synthesis tasks."""
WAITING = "waiting"
"""The phase in which all synthesis tasks are started, and some have not ended."""
ENDED = "ended"
"""The phase after the batch was delivered or has failed."""
PHASES = frozenset({STARTING, WAITING, ENDED})

MAX_REASON_CHARACTERS = 500
"""Maximum length of the reason why an item failed; a longer reason is cut."""


class BatchRunId(NamedTuple):
    """The run of an Airflow task that a batch belongs to. It is the same before and after a clear."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    namespace: str

    @classmethod
    def of(cls, run: TaskRun) -> BatchRunId:
        """Return the identity of a run, without its ``max_tries``.

        :param run: the run of the Airflow task
        """
        return cls(run.dag_id, run.run_id, run.task_id, run.map_index, run.namespace)


@dataclass(slots=True)
class ItemRecord:
    """The state of one item.

    :param id: the item's id, unique in its batch
    :param digest: the digest of the item's request (``start.token.request_digest``)
    :param bucket: ``OutputS3BucketName``
    :param prefix: ``OutputS3KeyPrefix`` as the user gave it, without a token
    :param characters: billed characters, counted before the start
    :param status: Polly's ``TaskStatus``, or :data:`NOT_STARTED`
    :param task_id: Polly's ``TaskId``
    :param reason: why the item failed, at most :data:`MAX_REASON_CHARACTERS`
    :param output_uri: where the object is now
    :param request_characters: billed characters; 0 if unchanged, None if not started
    :param spoken_characters: the billed length of the text
    :param seconds: the duration of the audio in seconds
    :param unchanged: whether the object was up to date and nothing was started
    :param finished: whether the object is at its final place, so that nothing is left to do
    :param engine: ``Engine``
    :param output_s3_key: the key that the user chose
    :param speech_digest: the digest of everything that affects the audio; only with ``output_s3_key``
    :param wav: the format of the WAV file; None if the object is not a WAV file
    :param keep_original: whether to also keep the object where Polly wrote it
    """

    id: str
    digest: str
    bucket: str
    prefix: str | None
    characters: int
    status: str = NOT_STARTED
    task_id: str | None = None
    reason: str | None = None
    output_uri: str | None = None
    request_characters: int | None = None
    spoken_characters: int | None = None
    seconds: float | None = None
    unchanged: bool = False
    finished: bool = False
    engine: str | None = None
    output_s3_key: str | None = None
    speech_digest: str | None = None
    wav: WavForm | None = None
    keep_original: bool = False

    def set_reason(self, reason: object) -> None:
        """Record why the item failed, in at most :data:`MAX_REASON_CHARACTERS`.

        :param reason: the reason: an error or a text
        """
        self.reason = str(reason)[:MAX_REASON_CHARACTERS]

    def is_of_same_item(self, other: ItemRecord) -> bool:
        """Return whether another record is about the same item, request and place of the output.

        :param other: the other record
        """
        return (self.id, self.digest, self.output_s3_key) == (other.id, other.digest, other.output_s3_key)

    @property
    def has_ended(self) -> bool:
        """Whether the synthesis task completed or failed."""
        return self.status in TERMINAL_STATUSES


@dataclass
class Manifest:
    """The state of a batch.

    :param run: the run that the batch belongs to
    :param began: the start time of the DAG run in ISO 8601 (``CurrentRun.began``)
    :param run_token: the token of the batch in its run; the items' tokens are made from it
    :param durable: whether the prefixes contain the items' tokens
    :param phase: :data:`STARTING`, :data:`WAITING` or :data:`ENDED`
    :param try_token: the token of the task instance whose try last wrote the manifest. It differs from
        ``run_token`` if the task was cleared and continued
    :param created: a time before the first start with this ``run_token``, in ISO 8601 with UTC offset
    :param records: the items in the given order
    """

    run: BatchRunId
    began: str
    run_token: str
    try_token: str
    durable: bool
    phase: str
    created: str
    records: list[ItemRecord]

    def unfinished_ids(self) -> list[str]:
        """Return the TaskIds of the synthesis tasks that neither completed nor failed."""
        return [record.task_id for record in self.records if record.task_id and not record.has_ended]

    def prefix_of(self, record: ItemRecord) -> str | None:
        """Return an item's ``OutputS3KeyPrefix`` as it is sent to Polly: with a token if ``durable``.

        :param record: the item's record
        :raises PollyInvalidRequestError: the prefix is so long that the token cannot be appended
        """
        if not self.durable:
            return record.prefix
        token = batch_item_token(self.run_token, record.id, record.digest)
        return prefix_with_token(record.prefix, token)
