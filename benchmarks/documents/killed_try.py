"""One try of a document, which may kill itself at a request; see :mod:`benchmarks.documents.faults`.

``python -m benchmarks.documents.killed_try BUCKET DOCUMENT BEGAN TRY before|after|never NUMBER``
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import datetime
from typing import Any

import botocore.handlers

from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.unit.support import context, execute


class Killer:
    """Counts the requests of the process, and kills it at one of them.

    :param when: ``before`` or ``after`` the request, or ``never``
    :param number: the number of the request, from 1
    """

    def __init__(self, when: str, number: int) -> None:
        self._when = when
        self._number = number
        self._count = 0
        self._lock = threading.Lock()

    def before(self, model: Any, **_: Any) -> None:
        """Count a request that will be sent."""
        self._kill_at("before", model)

    def after(self, model: Any, **_: Any) -> None:
        """Count a request that was answered."""
        self._kill_at("after", model)

    def _kill_at(self, when: str, model: Any) -> None:
        if when != self._when:
            return
        with self._lock:
            self._count += 1
            if self._count == self._number:
                print(f"{model.service_model.service_name}.{model.name}#{self._count}", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)


def main(bucket: str, document: str, began: str, try_number: str, when: str, number: str) -> None:
    """Run the try."""
    killer = Killer(when, int(number))
    botocore.handlers.BUILTIN_HANDLERS.append(("before-call", killer.before))
    botocore.handlers.BUILTIN_HANDLERS.append(("after-call", killer.after))
    operator = PollySynthesizeDocumentOperator(
        task_id="speak",
        document=document,
        voice_id="Amy",
        output_s3_bucket_name=bucket,
        output_s3_key="books/zebras.mp3",
        poke_interval=0.2,
        deferrable=False,
    )
    of_run = context(try_number=int(try_number))
    of_run["dag_run"].start_date = datetime.fromisoformat(began)
    execute(operator, of_run)


if __name__ == "__main__":
    main(*sys.argv[1:])
