"""Run a try of the batch operator that kills itself with SIGKILL before or after a request.

``python -m tests.integration.killed_batch BUCKET ITEMS before|after SERVICE.OPERATION NUMBER [TRY]``
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any

import botocore.handlers

from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from tests.unit.support import context, execute


def operator(bucket: str, number: int, **changes: Any) -> PollySynthesizeBatchOperator:
    """Return the operator that the killed try and the next try execute.

    :param bucket: the output bucket
    :param number: number of items; every second one has ``output_s3_key``
    :param changes: arguments to change
    """
    items = [
        {"text": f"This is prompt {index}.", "id": f"prompt-{index}"}
        | ({"output_s3_key": f"prompts/{index}.mp3"} if index % 2 else {})
        for index in range(number)
    ]
    arguments: dict[str, Any] = {
        "task_id": "speak",
        "items": items,
        "voice_id": "Amy",
        "output_s3_bucket_name": bucket,
        "output_s3_key_prefix": "working/",
        "poke_interval": 0.2,
        "deferrable": False,
    } | changes
    return PollySynthesizeBatchOperator(**arguments)


def main(bucket: str, items: str, when: str, operation: str, number: str, try_number: str = "1") -> None:
    count = itertools.count(1)

    def kill(**_: Any) -> None:
        if next(count) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    botocore.handlers.BUILTIN_HANDLERS.append((f"{when}-call.{operation}", kill))
    execute(operator(bucket, int(items)), context(try_number=int(try_number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
