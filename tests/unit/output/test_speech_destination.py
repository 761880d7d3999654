from __future__ import annotations

import io
from typing import Any

import boto3.s3.inject
import pytest
from botocore.exceptions import NoCredentialsError, ProfileNotFound
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # ships no types

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyInvalidRequestError,
)
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

AUDIO = b"audio " * 50_000


def speech() -> SpeechStream:
    return SpeechStream(
        {"AudioStream": io.BytesIO(AUDIO), "ContentType": "audio/mpeg"}, {"OutputFormat": "mp3"}
    )


def billed() -> SpeechStream:
    pytest.fail("Polly was asked before the check that the audio can be stored")


class AskedError(Exception):
    """Ends a test at the request to Polly."""


def ask() -> SpeechStream:
    raise AskedError


class TestS3BeforePollyIsAsked:
    def output(self, path: str = "s3://other@my-audio/a.mp3") -> Any:
        own = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
        return speech_destination(bucket=None, key=None, path=path, hook_parameters=own)

    def test_a_connection_without_credentials_is_an_error_that_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws"}')
        with pytest.raises(
            PollyCredentialsError, match=r"s3://my-audio/a\.mp3: the connection 'other'"
        ) as error:
            self.output().receive(billed)
        assert isinstance(error.value.__cause__, NoCredentialsError)

    def test_a_connection_whose_profile_is_missing_is_final(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws", "extra": {"profile_name": "gone"}}')
        with pytest.raises(PollyConfigurationError, match=r"connection 'other': .*gone") as error:
            self.output().receive(billed)
        assert isinstance(error.value, AirflowFailException)
        assert isinstance(error.value.__cause__, ProfileNotFound)

    def test_a_connection_with_credentials_passes_the_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The check sends no request: there is no network here."""
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))

        output = self.output()
        assert isinstance(output, S3Destination)
        with pytest.raises(AskedError):
            output.receive(ask)

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
    def test_output_uri_has_the_form_of_pollys_own(
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


class ObjectStore(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """An object store that cannot rename, whose identity may write and delete."""

    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own annotation
    pseudo_dirs: list[str] = [""]  # noqa: RUF012 - fsspec's own annotation


class DenyingObjectStore(ObjectStore):
    """An object store that cannot rename, whose identity may write, but not delete."""

    def rm(self, path: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("403")


class RenamingObjectStore(ObjectStore):
    """An object store that can rename, but neither copy nor delete."""

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        self.store[path2] = self.store.pop(path1)

    def copy(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    def rm(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError


class TestObjectStore:
    @pytest.fixture(autouse=True)
    def _empty(self) -> None:
        # fsspec's memory file systems share what they hold.
        ObjectStore.store.clear()

    def output_in(self, files: ObjectStore) -> PathDestination:
        """Return ``/bucket/a.mp3`` in an object store that is attached to Airflow under a connection id."""
        conn_id = new_id()  # Airflow keeps what is attached for the life of the process.
        attach("memory", conn_id=conn_id, fs=files)
        return PathDestination(f"memory://{conn_id}@bucket/a.mp3")

    def test_that_denies_deleting_has_the_speech_and_a_warning_names_the_remaining_part(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = DenyingObjectStore(skip_instance_cache=True)
        self.output_in(files).receive(speech)
        assert files.cat("/bucket/a.mp3") == AUDIO
        (warning,) = warnings_in(caplog)
        assert "a.mp3 is whole, but its part /bucket/.a.mp3." in warning
        assert "(403)" in warning

    def test_that_allows_deleting_has_the_speech_and_no_part(self, caplog: pytest.LogCaptureFixture) -> None:
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

    def test_that_can_rename_neither_copies_nor_deletes(self) -> None:
        files = RenamingObjectStore(skip_instance_cache=True)
        self.output_in(files).receive(speech)
        assert files.ls("/bucket", detail=False) == ["/bucket/a.mp3"]
        assert files.cat("/bucket/a.mp3") == AUDIO
