"""An XCom backend that fails in the triggerer when it pushes the result of one task."""

from __future__ import annotations

import threading
from typing import Any

from airflow.sdk.bases.xcom import BaseXCom


class XComsThatFailInTriggerer(BaseXCom):
    """Fails for the task ``push_fails``, but only in the thread that pushes a trigger's XComs."""

    @staticmethod
    def serialize_value(value: Any, *, task_id: str | None = None, **where: Any) -> str:
        """Return the serialized value, or fail."""
        if task_id == "push_fails" and threading.current_thread().name.startswith("polly-xcom"):
            raise TimeoutError("the XCom back-end does not answer")
        serialized: str = BaseXCom.serialize_value(value, task_id=task_id, **where)
        return serialized
