"""Measures how many starts are throttled when several worker slots share Polly's quota.

The slots are threads of one process, because two cores cannot start so many processes per second. Each slot
behaves like the start operator in a worker: it waits as long as a process takes to start, and then repeats
the request until Polly accepts it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from typing import Any

from airflow_polly_provider.emulator.base.quotas import AWS_QUOTAS
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.start.retry import start_until_accepted

_OPERATION = "StartSpeechSynthesisTask"


def measure(slots: int, texts: int, process_seconds: float) -> dict[str, Any]:
    """Start texts from several slots, with AWS's default quotas for standard voices.

    :param slots: number of simultaneous starts
    :param texts: number of texts
    :param process_seconds: seconds that each slot waits before its request, as if a process had to start
    """
    with running_emulator(audio="none", quotas=AWS_QUOTAS) as emulator:
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = emulator.airflow_connection()
        request = {
            "OutputFormat": "mp3",
            "OutputS3BucketName": emulator.bucket,
            "Text": "Mind the gap.",
            "VoiceId": "Amy",
        }
        left: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(texts):
            left.put(number)
        spent: list[float] = []

        def slot() -> None:
            hook = PollyHook()
            hook.conn  # noqa: B018  # created before the measurement, because one process creates clients slowly
            ready.wait()
            while True:
                try:
                    left.get_nowait()
                except queue.Empty:
                    return
                began = time.monotonic()
                time.sleep(process_seconds)
                start_until_accepted(hook, request)
                spent.append(time.monotonic() - began)

        ready = threading.Barrier(slots + 1)
        threads = [threading.Thread(target=slot) for _ in range(slots)]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.monotonic()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        calls = emulator.counters.snapshot()[_OPERATION]
    requests = sum(calls.values())
    return {
        "part": "throttling",
        "slots": slots,
        "texts": texts,
        "process_seconds": process_seconds,
        "seconds": round(seconds, 1),
        "requests": requests,
        "throttled": round(1 - calls["ok"] / requests, 3),
        "slot_seconds_per_text": round(sum(spent) / texts, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
