"""The users of the Airflow of these tests."""

from __future__ import annotations

ADMIN, VIEWER, STRANGER = "ada", "vera", "stan"
USERS = {ADMIN: "admin", VIEWER: "viewer", STRANGER: "viewer"}
"""The role of each user. The password is the name."""

HIDDEN_DAG = "listen_cases"
"""The DAG that the user ``STRANGER`` must not see."""
