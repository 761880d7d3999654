"""The file that libsndfile writes to. It remembers a write that failed."""

from __future__ import annotations

from typing import IO


class OutputFile:
    """A file that remembers its first error.

    libsndfile ignores it when the last bytes cannot be written, as on a full disk; the audio would be cut
    short and seem whole.

    :param file: open for writing and reading, in binary.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, and return the length of the data. :meth:`check` raises the error of a failed write."""
        # libsndfile writes its last bytes when it is closed, which may be after a failure closed the file.
        if self._error is None and not self._file.closed:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def read(self, count: int = -1) -> bytes:
        """Read on."""
        return b"" if self._file.closed else self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place, and return it."""
        return 0 if self._file.closed else self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close the file.

        :raises OSError: where a write has failed.
        """
        try:
            self.check()
        finally:
            self._file.close()

    def check(self) -> None:
        """Make sure that everything was written.

        :raises OSError: where a write has failed.
        """
        if self._error is not None:
            raise self._error
        self._file.flush()
