"""Processes that share no files, as if each ran on its own machine."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_HOSTNAME = "POLLY_STACK_HOSTNAME"
_ROOT = Path(__file__).resolve().parents[2]


def hostname() -> str:
    """Return the machine's name. Airflow calls this function: ``hostname_callable`` is set to it."""
    return os.environ[_HOSTNAME]


class Machine:
    """The files and the name of one machine.

    :param folder: folder for the Airflow home, the copy of the DAG files, and temporary files
    :param name: host name that Airflow's processes on the machine report
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.home = folder / "airflow"
        self._name = name

    def set_up(self, dags_folder: Path) -> None:
        """Create the folders, and copy the DAG files."""
        self.home.mkdir(parents=True)
        (self.home / "airflow.cfg").touch()
        (self.folder / "tmp").mkdir()
        shutil.copytree(dags_folder, self._dags, ignore=shutil.ignore_patterns("__pycache__"))

    def environment(self, common: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables of a process on the machine.

        :param common: variables that are the same on all machines
        """
        return {
            **common,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.{hostname.__name__}",
            "PYTHONPATH": str(_ROOT),
            "TMPDIR": str(self.folder / "tmp"),
            _HOSTNAME: self._name,
        }

    @property
    def _dags(self) -> Path:
        return self.folder / "dags"
