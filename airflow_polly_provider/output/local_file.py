"""A file on the worker that is written or replaced: its resolved path, mode, owner and group."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple

from airflow_polly_provider.exceptions import PollyInvalidRequestError


class LocalFile(NamedTuple):
    """A file that is written or replaced.

    :param path: the path with all links resolved
    :param status: the status of the existing file; None if there is none
    """

    path: str
    status: os.stat_result | None

    def give_mode_and_owner_to(self, replacement: int) -> None:
        """Give a replacement file the mode of this file, and its owner and group if the process may set them.

        :param replacement: the file descriptor of the replacement. A path is not safe: it could become a link
            to another file in the meantime
        """
        if self.status is None:
            return
        made = os.stat(replacement)
        # Set separately: a process that may not change the owner may still set a group that it belongs to.
        with contextlib.suppress(OSError):
            if self.status.st_gid != made.st_gid:
                os.chown(replacement, -1, self.status.st_gid)
        with contextlib.suppress(OSError):
            if self.status.st_uid != made.st_uid:
                os.chown(replacement, self.status.st_uid, -1)
        # Set after chown, which clears setuid and setgid. Set only if the mode differs, because file systems
        # without modes return an error if one is set.
        mode = stat.S_IMODE(self.status.st_mode)
        if mode != stat.S_IMODE(os.stat(replacement).st_mode):
            os.chmod(replacement, mode)


def prepare_local_file(path: str) -> LocalFile:
    """Follow a path's symbolic links, and return the file. Create the file's folder if it is missing.

    :param path: the rendered path
    :raises PollyInvalidRequestError: the path exists but is not a file
    :raises OSError: the path is unusable: it is too long, or its links form a loop
    """
    target = os.path.realpath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        there = os.stat(target)
    except FileNotFoundError:
        return LocalFile(target, None)
    if stat.S_ISDIR(there.st_mode):
        raise PollyInvalidRequestError(f"output_path {path!r:.200} is a folder; give the path of a file.")
    if not stat.S_ISREG(there.st_mode):
        raise PollyInvalidRequestError(
            f"output_path {path!r:.200} is a device, a pipe or a socket; give the path of a file."
        )
    return LocalFile(target, there)
