"""A secrets backend in which a given number of look-ups fail.

Airflow's processes import from this module's folder. Therefore, the folder contains no other modules.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.secrets import BaseSecretsBackend

FOLDER = "POLLY_FAULTS_SECRETS"


class FlakySecrets(BaseSecretsBackend):
    """Reads connections from files in a folder; the file name is the connection id.

    While files with the name ``<name>.away.<anything>`` exist, each look-up deletes one of them and fails.
    """

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:  # Airflow's name
        """Return a connection as JSON."""
        folder = Path(os.environ[FOLDER])
        for away in sorted(folder.glob(f"{conn_id}.away.*")):
            try:
                away.unlink()
            except FileNotFoundError:
                # Another process has deleted this file.
                continue
            raise ConnectionError("the secrets backend is unavailable")
        path = folder / conn_id
        return path.read_text() if path.exists() else None
