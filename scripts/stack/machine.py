"""Processes that share no files, as if each ran on a machine of its own."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_HOSTNAME = "POLLY_STACK_HOSTNAME"
_ROOT = Path(__file__).resolve().parents[2]


def hostname() -> str:
    """Tell the machine's name; Airflow calls this by the option ``hostname_callable``."""
    return os.environ[_HOSTNAME]


class Machine:
    """The files and the name of one machine.

    :param folder: for its Airflow home, its copy of the DAG files, and its temporary files.
    :param name: the host name that Airflow's processes on it report.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.home = folder / "airflow"
        self._name = name

    def set_up(self, dags_folder: Path) -> None:
        """Make its folders, and copy the DAG files to it."""
        self.home.mkdir(parents=True)
        (self.home / "airflow.cfg").touch()
        (self.folder / "tmp").mkdir()
        shutil.copytree(dags_folder, self._dags, ignore=shutil.ignore_patterns("__pycache__"))

    def environment(self, common: Mapping[str, str]) -> dict[str, str]:
        """Give the environment variables of a process on it.

        :param common: what is the same on all machines.
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
