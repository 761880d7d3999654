"""A file object for libsndfile that stores the error of a failed write."""

from __future__ import annotations

from typing import IO


class OutputFile:
    """A file that stores its first write error, which :meth:`check` raises.

    libsndfile ignores a failed write of the last bytes, for example on a full disk. Without this class, the
    audio would be incomplete, and nothing would report the error.

    :param file: a file opened for writing and reading in binary mode.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write the data, and return its length even if the write fails. :meth:`check` raises the error."""
        # libsndfile writes its last bytes when it is closed. After an error, this file may already be closed.
        if self._error is None and not self._file.closed:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def read(self, count: int = -1) -> bytes:
        """Read and return up to ``count`` bytes; all remaining bytes if ``count`` is negative."""
        return b"" if self._file.closed else self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the file position, and return it."""
        return 0 if self._file.closed else self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the file position."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close the file.

        :raises OSError: if a write has failed.
        """
        try:
            self.check()
        finally:
            self._file.close()

    def check(self) -> None:
        """Flush the file, and raise the error of a failed write.

        :raises OSError: if a write has failed.
        """
        if self._error is not None:
            raise self._error
        self._file.flush()
