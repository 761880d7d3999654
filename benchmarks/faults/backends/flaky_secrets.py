"""A secrets back-end that fails a given number of look-ups.

It is alone in its folder, which Airflow's processes import from.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.secrets import BaseSecretsBackend

FOLDER = "POLLY_FAULTS_SECRETS"


class FlakySecrets(BaseSecretsBackend):
    """Gives the connections of a folder, each a file of its name.

    While there are files ``<name>.away.<anything>`` each look-up takes one of them away, and fails.
    """

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:  # not ours
        """Give a connection as JSON."""
        folder = Path(os.environ[FOLDER])
        for away in sorted(folder.glob(f"{conn_id}.away.*")):
            try:
                away.unlink()
            except FileNotFoundError:
                # Another process was faster.
                continue
            raise ConnectionError("the secrets back-end is away")
        path = folder / conn_id
        return path.read_text() if path.exists() else None
