"""An auth manager that refuses one DAG to one user. Airflow's simple one has no permissions for DAGs."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from tests.ui.users import HIDDEN_DAG, STRANGER


class DagAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, except for ``HIDDEN_DAG``."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **request: Any) -> bool:
        if user.username == STRANGER and details is not None and details.id == HIDDEN_DAG:
            return False
        return super().is_authorized_dag(user=user, details=details, **request)
