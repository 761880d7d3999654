"""A file on the worker that is written: where it really lies, and the mode, owner and group that it keeps."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple

from airflow_polly_provider.exceptions import PollyInvalidRequestError


class LocalFile(NamedTuple):
    """A file that is written, or replaced.

    :param path: with all links resolved
    :param status: of the file that is there; None where there is none
    """

    path: str
    status: os.stat_result | None

    def give_mode_and_owner_to(self, replacement: int) -> None:
        """Give a file that is to replace this one the same mode, and where the process may, owner and group.

        :param replacement: its descriptor, which nobody can replace by a link to another file meanwhile
        """
        if self.status is None:
            return
        made = os.stat(replacement)
        # One by one: a process that may not change the owner may still set a group that it belongs to.
        with contextlib.suppress(OSError):
            if self.status.st_gid != made.st_gid:
                os.chown(replacement, -1, self.status.st_gid)
        with contextlib.suppress(OSError):
            if self.status.st_uid != made.st_uid:
                os.chown(replacement, self.status.st_uid, -1)
        # After chown, which clears setuid and setgid. Some file systems know no modes, and refuse to set one.
        mode = stat.S_IMODE(self.status.st_mode)
        if mode != stat.S_IMODE(os.stat(replacement).st_mode):
            os.chmod(replacement, mode)


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
    return LocalFile(target, there)
