"""The identity of a batch, and the default key of its manifest."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from airflow_polly_provider.batch.manifest import BatchRunId
from airflow_polly_provider.start.token import TOKEN_CHARACTERS, task_run


def run_id_of(ti: Any) -> BatchRunId:
    """Return the identity of a batch: the same for all tries of a task, also after the task is cleared.

    :param ti: the running task instance
    """
    return BatchRunId.of(task_run(ti))


def default_manifest_key(run_id: BatchRunId, prefix: object) -> str:
    """Return the key of a manifest that has no ``manifest_s3_key``: next to the objects of its batch.

    :param run_id: the identity of the batch
    :param prefix: the operator's rendered ``output_s3_key_prefix``
    """
    folder, slash, _ = str(prefix or "").rpartition("/")
    digest = hashlib.sha256(json.dumps([*run_id], ensure_ascii=True).encode()).digest()
    name = base64.b32encode(digest).decode()[:TOKEN_CHARACTERS].lower()
    return f"{folder}{slash}manifest-{name}.json"
