"""Run a try of the document operator that kills itself with SIGKILL before or after a request.

``python -m tests.integration.killed_document BUCKET FILE BEGAN before|after SERVICE.OPERATION NUMBER``,
and the formats of captions, separated by commas, if the document has captions.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from datetime import datetime
from typing import Any

import botocore.handlers

from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.integration.document_support import KEY, TASK
from tests.unit.support import context, execute


def operator(bucket: str, file: str, **changes: Any) -> PollySynthesizeDocumentOperator:
    """Return the operator that the killed try and the next try execute.

    :param bucket: the output bucket
    :param file: the path of the document
    :param changes: arguments to change
    """
    arguments: dict[str, Any] = {
        "task_id": TASK,
        "document": file,
        "voice_id": "Amy",
        "output_s3_bucket_name": bucket,
        "output_s3_key": KEY,
        "max_piece_characters": 150,
        "poke_interval": 0.2,
        "deferrable": False,
    } | changes
    return PollySynthesizeDocumentOperator(**arguments)


def context_of_run(began: datetime, **identity: Any) -> dict[str, Any]:
    """Return the context of a try of the run that began at this time.

    :param began: the time
    :param identity: see :func:`tests.unit.support.context`
    """
    of_run = context(**identity)
    of_run["dag_run"].start_date = began
    return of_run


def main(
    bucket: str, file: str, began: str, when: str, operation: str, number: str, captions: str = ""
) -> None:
    count = itertools.count(1)

    def kill(**_: Any) -> None:
        if next(count) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    botocore.handlers.BUILTIN_HANDLERS.append((f"{when}-call.{operation}", kill))
    formats = captions.split(",") if captions else None
    execute(operator(bucket, file, captions=formats), context_of_run(datetime.fromisoformat(began)))


if __name__ == "__main__":
    main(*sys.argv[1:])
