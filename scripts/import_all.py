"""Import every module of the installed package: ``python -m scripts.import_all``."""

import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path

import airflow_polly_provider


def main() -> int:
    """Import all modules that the installed Airflow supports, print their place, and return the exit code."""
    names = [
        module.name
        for module in pkgutil.walk_packages(airflow_polly_provider.__path__, "airflow_polly_provider.")
    ]
    # Use a temporary home, because Airflow creates its home folder and reads its configuration on import.
    with tempfile.TemporaryDirectory(prefix="airflow-polly-import-") as home:
        os.environ["AIRFLOW_HOME"] = home
        from airflow_polly_provider.settings import has_listen_tab

        if not has_listen_tab():
            names = [name for name in names if not name.startswith("airflow_polly_provider.ui.")]
        for name in names:
            importlib.import_module(name)
    print(f"Imported {len(names)} modules from {Path(airflow_polly_provider.__file__).parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
