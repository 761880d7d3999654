"""Run a try of the start operator that kills itself with SIGKILL before or after an S3 call.

``python -m tests.integration.killed_output_key BUCKET before|after OPERATION``
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import botocore.handlers

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from tests.integration.dag_builder import TEXT
from tests.unit.support import context, execute

KEY = "episodes/zebra.mp3"


def operator(bucket: str) -> PollyStartSpeechSynthesisTaskOperator:
    """Return the operator that the killed try and the next try execute."""
    return PollyStartSpeechSynthesisTaskOperator(
        task_id="speak",
        text=TEXT,
        voice_id="Amy",
        output_s3_bucket_name=bucket,
        output_s3_key_prefix="working/",
        output_s3_key=KEY,
        poke_interval=0.2,
    )


def main(bucket: str, when: str, operation: str) -> None:
    def kill(**_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    botocore.handlers.BUILTIN_HANDLERS.append((f"{when}-call.s3.{operation}", kill))
    execute(operator(bucket), context(try_number=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
