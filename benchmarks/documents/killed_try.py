"""One try of a document, which may kill itself at a request; see :mod:`benchmarks.documents.faults`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.handlers

from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from datetime import datetime
    from multiprocessing.connection import Connection

BEFORE, AFTER = "before", "after"


class Kill(NamedTuple):
    """The point at which a process kills itself.

    :param when: ``before`` or ``after`` a request to Polly or S3
    :param operation: the service and the operation
    :param number: the number of the request among those of this operation, from 1
    """

    when: str
    operation: str
    number: int


class Try(NamedTuple):
    """One try of the document.

    :param bucket: the output bucket
    :param key: the key of the file
    :param document: the path of the document
    :param began: the start time of the DAG run
    :param number: the number of the try
    :param log: the path of the file that receives the output of the process
    """

    bucket: str
    key: str
    document: str
    began: datetime
    number: int
    log: str


class _Killer:
    """Sends the name of each request of this process, and kills it at one of them."""

    def __init__(self, kill: Kill | None, requests: Connection) -> None:
        self._kill = kill
        self._requests = requests
        self._count = 0
        self._lock = threading.Lock()

    def __call__(self, model: Any, **_: Any) -> None:
        with self._lock:
            operation = f"{model.service_model.service_name}.{model.name}"
            self._requests.send(operation)
            self._count += self._kill is not None and operation == self._kill.operation
            if self._kill is not None and self._count == self._kill.number:
                os.kill(os.getpid(), signal.SIGKILL)


def run_try(this: Try, kill: Kill | None, requests: Connection) -> None:
    """Run a try in this process.

    :param this: the try
    :param kill: where the process kills itself; None to complete the try
    :param requests: receives the name of each request
    """
    with open(this.log, "w") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    when = BEFORE if kill is None else kill.when
    botocore.handlers.BUILTIN_HANDLERS.append((f"{when}-call", _Killer(kill, requests)))
    operator = PollySynthesizeDocumentOperator(
        task_id="speak",
        document=this.document,
        voice_id="Amy",
        output_s3_bucket_name=this.bucket,
        output_s3_key=this.key,
        poke_interval=1.0,
        deferrable=False,
    )
    of_run = context(try_number=this.number)
    of_run["dag_run"].start_date = this.began
    execute(operator, of_run)
