from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

import boto3.s3.inject
import pytest
from botocore.exceptions import NoCredentialsError, ProfileNotFound
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # ships no types

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.output.local_file import LocalFile
from airflow_polly_provider.output.speech_destination import (
    PathDestination,
    S3Destination,
    speech_destination,
)
from airflow_polly_provider.output.speech_stream import SpeechStream
from tests.unit.support import connection, new_id, warnings_in

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2
    from airflow.io.store import attach  # type: ignore[import-not-found, no-redef]  # not in Airflow 3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUDIO = b"audio " * 50_000


def speech() -> SpeechStream:
    return SpeechStream(
        {"AudioStream": io.BytesIO(AUDIO), "ContentType": "audio/mpeg"}, {"OutputFormat": "mp3"}
    )


def must_not_be_called() -> SpeechStream:
    pytest.fail("Polly was called before the check that the audio can be stored")


class PollyCalledError(Exception):
    """Stops a test where the request to Polly would be sent."""


def raise_if_called() -> SpeechStream:
    raise PollyCalledError


class TestS3BeforePollyIsCalled:
    def output(self, path: str = "s3://other@my-audio/a.mp3") -> Any:
        own = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
        return speech_destination(bucket=None, key=None, path=path, hook_parameters=own)

    def test_a_connection_without_credentials_is_an_error_that_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws"}')
        with pytest.raises(
            PollyCredentialsError, match=r"s3://my-audio/a\.mp3 .the connection 'other'"
        ) as error:
            self.output().receive(must_not_be_called)
        assert isinstance(error.value.__cause__, NoCredentialsError)

    def test_a_connection_whose_profile_is_missing_is_final(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws", "extra": {"profile_name": "gone"}}')
        with pytest.raises(PollyConfigurationError, match=r"connection 'other': .*gone") as error:
            self.output().receive(must_not_be_called)
        assert isinstance(error.value, AirflowFailException)
        assert isinstance(error.value.__cause__, ProfileNotFound)

    def test_a_connection_with_credentials_passes_the_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The check sends no request: unit tests have no network."""
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))

        output = self.output()
        assert isinstance(output, S3Destination)
        with pytest.raises(PollyCalledError):
            output.receive(raise_if_called)

    @pytest.mark.parametrize(
        ("settings", "endpoint"),
        [
            ({"region_name": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com"),
            ({"region_name": "us-east-1"}, "https://s3.us-east-1.amazonaws.com"),
            (
                {"region_name": "us-east-1", "endpoint_url": "http://127.0.0.1:9000/"},
                "http://127.0.0.1:9000",
            ),
        ],
        ids=["a region", "us-east-1", "an endpoint with a slash"],
    )
    def test_output_uri_has_the_same_form_as_pollys(
        self, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], endpoint: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(**settings))
        uploaded: list[tuple[str, str, bytes]] = []

        def upload(_: Any, audio: SpeechStream, bucket: str, key: str, **__: Any) -> None:
            uploaded.append((bucket, key, audio.read()))

        monkeypatch.setattr(boto3.s3.inject, "upload_fileobj", upload)
        stored = self.output().receive(speech)
        assert uploaded == [("my-audio", "a.mp3", AUDIO)]
        assert stored.speech.size == len(AUDIO)
        assert stored.output == {
            "OutputUri": f"{endpoint}/my-audio/a.mp3",
            "OutputS3Uri": "s3://my-audio/a.mp3",
        }


def cut_off() -> SpeechStream:
    """Return speech whose stream fails midway, as after a lost connection."""

    class Body(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise PollyIncompleteAnswerError("cut off")
            return super().read(10)

    return SpeechStream({"AudioStream": Body(AUDIO), "ContentType": "audio/mpeg"}, {"OutputFormat": "mp3"})


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


class TestLocalFile:
    @pytest.fixture(autouse=True)
    def _umask(self) -> Iterator[None]:
        before = os.umask(0o027)
        yield
        os.umask(before)

    @pytest.mark.parametrize("mode", [0o600, 0o664, 0o755, 0o444, 0o000, 0o2640])
    def test_that_is_replaced_keeps_its_mode(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(b"before")
        path.chmod(mode)
        PathDestination(f"file://{path}").receive(speech)
        assert mode_of(path) == mode
        path.chmod(0o600)
        assert path.read_bytes() == AUDIO

    @pytest.mark.parametrize("mode", [0o600, 0o6755])
    def test_that_is_replaced_by_root_keeps_its_owner_and_group(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(b"before")
        try:
            os.chown(path, 12345, 54321)
        except OSError:
            pytest.skip("this process may not change the owner of a file")
        path.chmod(mode)
        PathDestination(str(path)).receive(speech)
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)
        assert mode_of(path) == mode
        assert path.read_bytes() == AUDIO

    def test_that_is_replaced_keeps_its_mode_where_owner_and_group_cannot_be_set(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(b"before")
        path.chmod(0o604)
        asked: list[tuple[int, int]] = []

        def refuse(_: int, uid: int, gid: int) -> None:
            asked.append((uid, gid))
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chown", refuse)
        there = os.stat(path)
        others = os.stat_result((*there[:4], there.st_uid + 1, there.st_gid + 1, *there[6:]))
        with path.open("ab") as replacement:
            os.fchmod(replacement.fileno(), 0o600)
            LocalFile(str(path), others).give_mode_and_owner_to(replacement.fileno())
        assert asked == [(-1, there.st_gid + 1), (there.st_uid + 1, -1)]
        assert mode_of(path) == 0o604

    def test_that_is_new_has_the_mode_of_the_umask(self, tmp_path: Path) -> None:
        PathDestination(str(tmp_path / "new" / "a.mp3")).receive(speech)
        assert mode_of(tmp_path / "new" / "a.mp3") == 0o640

    def test_that_is_private_is_replaced_by_a_file_that_is_private_from_its_creation(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(b"before")
        path.chmod(0o600)
        modes: list[int] = []

        def look() -> SpeechStream:
            modes.extend(mode_of(each) for each in tmp_path.glob(".*.part"))
            return speech()

        PathDestination(str(path)).receive(look)
        assert modes == [0o600]

    @pytest.mark.parametrize("dangling", [False, True])
    @pytest.mark.parametrize("relative", [False, True])
    def test_behind_a_link_is_written_and_the_link_stays(
        self, tmp_path: Path, dangling: bool, relative: bool
    ) -> None:
        target, link, second = tmp_path / "there" / "a.mp3", tmp_path / "link.mp3", tmp_path / "second.mp3"
        if not dangling:
            target.parent.mkdir()
            target.write_bytes(b"before")
            target.chmod(0o600)
        link.symlink_to("there/a.mp3" if relative else target)
        second.symlink_to(link)
        stored = PathDestination(f"file://{second}").receive(speech)
        assert stored.output == {"OutputUri": f"file://{second}"}
        assert second.is_symlink()
        assert link.is_symlink()
        assert not target.is_symlink()
        assert target.read_bytes() == AUDIO
        assert mode_of(target) == (0o640 if dangling else 0o600)
        assert os.listdir(target.parent) == ["a.mp3"]
        assert sorted(os.listdir(tmp_path)) == ["link.mp3", "second.mp3", "there"]

    def test_in_a_folder_behind_a_link_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to("folder")
        PathDestination(str(tmp_path / "link" / "a.mp3")).receive(speech)
        assert (tmp_path / "folder" / "a.mp3").read_bytes() == AUDIO

    @pytest.mark.parametrize("name", ["x" * 255, "é" * 127], ids=["ASCII", "two bytes each"])
    def test_may_have_the_longest_name_of_the_file_system(self, tmp_path: Path, name: str) -> None:
        PathDestination(str(tmp_path / name)).receive(speech)
        assert os.listdir(tmp_path) == [name]

    def test_with_a_longer_name_fails_before_polly_is_called(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="too long"):
            PathDestination(str(tmp_path / ("x" * 256))).receive(must_not_be_called)
        assert os.listdir(tmp_path) == []

    def test_behind_circular_links_fails_before_polly_is_called(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp3").symlink_to("b.mp3")
        (tmp_path / "b.mp3").symlink_to("a.mp3")
        with pytest.raises(OSError, match="symbolic links"):
            PathDestination(str(tmp_path / "a.mp3")).receive(must_not_be_called)
        assert sorted(os.listdir(tmp_path)) == ["a.mp3", "b.mp3"]

    @pytest.mark.parametrize("linked", [False, True])
    def test_that_is_a_folder_or_a_pipe_is_refused_before_polly_is_called(
        self, tmp_path: Path, linked: bool
    ) -> None:
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        for name, words in {"folder": "is a folder", "pipe": "is a device, a pipe or a socket"}.items():
            path = tmp_path / name
            if linked:
                path = tmp_path / f"{name} link"
                path.symlink_to(name)
            with pytest.raises(PollyInvalidRequestError, match=words):
                PathDestination(str(path)).receive(must_not_be_called)

    def test_in_the_home_folder_or_the_current_folder_is_written_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        PathDestination("~/a.mp3").receive(speech)
        PathDestination("./b.mp3").receive(speech)
        PathDestination("c.mp3").receive(speech)
        assert os.listdir(tmp_path / "home") == ["a.mp3"]
        assert sorted(os.listdir(tmp_path)) == ["b.mp3", "c.mp3", "home"]

    @pytest.mark.parametrize("linked", [False, True])
    def test_is_unchanged_and_partial_output_is_removed_after_an_error(
        self, tmp_path: Path, linked: bool
    ) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        path = folder / "a.mp3"
        path.write_bytes(b"before")
        path.chmod(0o600)
        if linked:
            (tmp_path / "link.mp3").symlink_to(path)
        with pytest.raises(PollyIncompleteAnswerError):
            PathDestination(str(tmp_path / "link.mp3" if linked else path)).receive(cut_off)
        assert path.read_bytes() == b"before"
        assert mode_of(path) == 0o600
        assert os.listdir(folder) == ["a.mp3"]

    def test_whose_mode_cannot_be_kept_is_unchanged_and_polly_is_not_called(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.mp3"
        path.write_bytes(b"before")
        path.chmod(0o600)

        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chmod", refuse)
        with pytest.raises(PermissionError):
            PathDestination(str(path)).receive(must_not_be_called)
        assert path.read_bytes() == b"before"
        assert os.listdir(tmp_path) == ["a.mp3"]


class ObjectStore(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """An object store without a rename operation; writing and deleting are allowed."""

    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own annotation
    pseudo_dirs: list[str] = [""]  # noqa: RUF012 - fsspec's own annotation


class DenyingObjectStore(ObjectStore):
    """An object store without a rename operation; writing is allowed, deleting is denied."""

    def rm(self, path: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("403")


class RenamingObjectStore(ObjectStore):
    """An object store that can rename; copying and deleting fail."""

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        self.store[path2] = self.store.pop(path1)

    def copy(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    def rm(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError


class TestObjectStore:
    @pytest.fixture(autouse=True)
    def _empty(self) -> None:
        # All instances of fsspec's memory file system share their content.
        ObjectStore.store.clear()

    def output_in(self, files: ObjectStore) -> PathDestination:
        """Return ``/bucket/a.mp3`` in an object store that is attached to Airflow under a connection id."""
        conn_id = new_id()  # Airflow keeps an attached file system until the process ends.
        attach("memory", conn_id=conn_id, fs=files)
        return PathDestination(f"memory://{conn_id}@bucket/a.mp3")

    def test_that_denies_deleting_receives_the_speech_and_a_warning_names_the_remaining_part(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = DenyingObjectStore(skip_instance_cache=True)
        self.output_in(files).receive(speech)
        assert files.cat("/bucket/a.mp3") == AUDIO
        (warning,) = warnings_in(caplog)
        assert re.search(
            r"a\.mp3 is complete, but its temporary file /bucket/\.[0-9a-f]{32}\.part could", warning
        )
        assert "(403)" in warning

    def test_that_allows_deleting_receives_the_speech_and_no_part_remains(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = ObjectStore(skip_instance_cache=True)
        self.output_in(files).receive(speech)
        assert files.cat("/bucket/a.mp3") == AUDIO
        assert files.ls("/bucket", detail=False) == ["/bucket/a.mp3"]
        assert warnings_in(caplog) == []

    def test_that_denies_deleting_does_not_hide_pollys_refusal(self) -> None:
        """Polly's refusal is final; Airflow would retry the object store's error."""

        def refused() -> SpeechStream:
            raise PollyInvalidRequestError("no SSML")

        output = self.output_in(DenyingObjectStore(skip_instance_cache=True))
        with pytest.raises(PollyInvalidRequestError, match="no SSML"):
            output.receive(refused)

    def test_that_can_rename_does_not_copy_or_delete(self) -> None:
        files = RenamingObjectStore(skip_instance_cache=True)
        self.output_in(files).receive(speech)
        assert files.ls("/bucket", detail=False) == ["/bucket/a.mp3"]
        assert files.cat("/bucket/a.mp3") == AUDIO
