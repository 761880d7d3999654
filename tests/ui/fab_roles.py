"""Creates roles and users in the database of the FAB auth manager: ``python -m tests.ui.fab_roles``."""

from __future__ import annotations

SEEN_DAG, OTHER_DAG = "seen", "other"
ROLES = {
    "listener": [("can_read", f"DAG:{SEEN_DAG}"), ("can_read", "XComs")],
    "reader": [("can_read", f"DAG:{SEEN_DAG}"), ("can_read", "DAG Runs")],
}
"""The permissions of each role. Each role has one user, whose name and password are the name of the role."""


def main() -> None:
    """Create the roles and the users."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        manager.bulk_sync_roles([{"role": role, "perms": perms} for role, perms in ROLES.items()])
        for name in ROLES:
            mail = f"{name}@example.com"
            manager.add_user(name, name, name, mail, manager.find_role(name), password=name)


if __name__ == "__main__":
    main()
