"""A file on the worker that is written: where it really lies, and the mode that it keeps."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from airflow_polly_provider.exceptions import PollyInvalidRequestError

_PERMISSION_BITS = 0o777


class LocalFile(NamedTuple):
    """A file that is written, or replaced.

    :param path: no symbolic link
    :param mode: the permission bits of the file that is there; None where there is none
    """

    path: str
    mode: int | None

    def give_mode_to(self, replacement: str) -> None:
        """Give a file that is to replace this one the same permission bits.

        :param replacement: its path
        """
        # Some file systems know no modes, and refuse to set one.
        if self.mode is not None and self.mode != _permissions(os.stat(replacement)):
            os.chmod(replacement, self.mode)


def prepare_local_file(path: str) -> LocalFile:
    """Return the file that a path leads to, through symbolic links; its folder is made if need be.

    :param path: the rendered path
    :raises PollyInvalidRequestError: something is there that is no file
    :raises OSError: the path cannot be one of a file: too long, or links that lead to each other
    """
    target = os.path.realpath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        there = os.stat(target)
    except FileNotFoundError:
        return LocalFile(target, None)
    if stat.S_ISDIR(there.st_mode):
        raise PollyInvalidRequestError(f"output_path {path!r:.200} is a folder; name a file.")
    if not stat.S_ISREG(there.st_mode):
        raise PollyInvalidRequestError(
            f"output_path {path!r:.200} is a device, a pipe or a socket; name a file."
        )
    return LocalFile(target, _permissions(there))


def _permissions(status: os.stat_result) -> int:
    return status.st_mode & _PERMISSION_BITS
