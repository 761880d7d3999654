from __future__ import annotations

import errno
import io
from typing import IO, TYPE_CHECKING

import numpy as np
import pytest

from airflow_polly_provider.emulator.speech import encoding, mp3
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from airflow_polly_provider.emulator.speech.output_file import OutputFile

if TYPE_CHECKING:
    from pathlib import Path


class FullDisk(io.BytesIO):
    """A file on a disk with a limited number of free bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: bytes) -> int:  # type: ignore[override]  # accepts only bytes
        if self.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_a_failed_write_raises_in_the_check_and_on_close() -> None:
    file = OutputFile(FullDisk(room=4))
    file.write(b"good")
    file.check()
    file.write(b"lost")
    with pytest.raises(OSError, match="No space left"):
        file.check()
    with pytest.raises(OSError, match="No space left"):
        file.close()


@pytest.mark.parametrize("missing", [60, 20_000])
@pytest.mark.parametrize("output_format", ["mp3", "ogg_vorbis", "ogg_opus", "pcm", "mulaw", "alaw"])
def test_audio_that_cannot_be_written_completely_raises_an_error(
    output_format: str, missing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = {"ogg_opus": 48000, "mulaw": 8000, "alaw": 8000, "pcm": 16000}.get(output_format, 22050)
    tone = (np.sin(np.arange(rate * 6) / 20) * 9000).astype(np.int16)

    def encode(path: Path) -> None:
        encoder = open_encoder(path, output_format, rate)
        encoder.write(tone)
        encoder.close()

    encode(tmp_path / "whole")
    size = (tmp_path / "whole").stat().st_size

    def on_a_full_disk(file: IO[bytes]) -> OutputFile:
        file.close()
        return OutputFile(FullDisk(size - missing))

    for module in (encoding, mp3):
        monkeypatch.setattr(module, "OutputFile", on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        encode(tmp_path / "cut")
