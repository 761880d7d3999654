from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import NoCredentialsError, ProfileNotFound
from fsspec.implementations.memory import MemoryFileSystem

from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.operators.speech_output import PathOutput, S3Output, speech_output
from airflow_polly_provider.operators.speech_stream import SpeechStream
from tests.unit.support import connection

if TYPE_CHECKING:
    from pathlib import Path

AUDIO = b"audio " * 50_000


def speech() -> SpeechStream:
    return SpeechStream(
        {"AudioStream": io.BytesIO(AUDIO), "ContentType": "audio/mpeg"}, {"OutputFormat": "mp3"}
    )


def billed() -> SpeechStream:
    pytest.fail("Polly was asked before it was plain that the audio can be stored")


class AskedError(Exception):
    """Ends an operator where it asks Polly."""


def ask() -> SpeechStream:
    raise AskedError


class TestS3BeforePollyIsAsked:
    def output(self, path: str = "s3://other@my-audio/a.mp3") -> Any:
        own = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
        return speech_output(bucket=None, key=None, path=path, hook_parameters=own)

    def test_a_connection_without_credentials_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws"}')
        with pytest.raises(
            PollyCredentialsError, match=r"s3://my-audio/a\.mp3 by the connection 'other'"
        ) as told:
            self.output().receive(billed)
        assert isinstance(told.value.__cause__, NoCredentialsError)

    def test_a_connection_whose_profile_is_missing_is_final(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "aws", "extra": {"profile_name": "gone"}}')
        with pytest.raises(PollyConfigurationError, match=r"connection 'other': .*gone") as told:
            self.output().receive(billed)
        assert isinstance(told.value, AirflowFailException)
        assert isinstance(told.value.__cause__, ProfileNotFound)

    def test_credentials_that_are_there_are_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The check itself sends nothing: there is no network here."""
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="eu-west-1"))

        output = self.output()
        assert isinstance(output, S3Output)
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
    def test_its_address_has_pollys_form(
        self, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], endpoint: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(**settings))
        output = self.output()
        with pytest.raises(AskedError):
            output.receive(ask)
        assert output.where() == {
            "OutputUri": f"{endpoint}/my-audio/a.mp3",
            "OutputS3Uri": "s3://my-audio/a.mp3",
        }


class _Kept(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """An object store whose identity may write, but not delete."""

    protocol = ("kept",)
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own annotation
    pseudo_dirs: list[str] = [""]  # noqa: RUF012 - fsspec's own annotation
    denied = True

    def rm(self, path: Any, *_: Any, **__: Any) -> None:
        if self.denied:
            raise RuntimeError("403")
        super().rm(path)


class TestObjectStore:
    @pytest.fixture
    def files(self) -> Any:
        _Kept.store.clear()
        return _Kept(skip_instance_cache=True)

    @pytest.fixture
    def output(self, files: Any, tmp_path: Path) -> PathOutput:
        output = PathOutput(f"{tmp_path}/a.mp3")
        # As for a path of Airflow's object storage, which has no such file system.
        output._local, output._files, output._target = None, files, "/bucket/a.mp3"
        return output

    def test_that_denies_deleting_has_the_speech_and_a_warning(
        self, files: Any, output: PathOutput, caplog: pytest.LogCaptureFixture
    ) -> None:
        output.receive(speech)
        assert files.cat("/bucket/a.mp3") == AUDIO
        (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert "a.mp3 is whole, but its part /bucket/.a.mp3." in warning
        assert "(403)" in warning

    def test_that_allows_deleting_keeps_no_part(
        self, files: Any, output: PathOutput, caplog: pytest.LogCaptureFixture
    ) -> None:
        files.denied = False
        output.receive(speech)
        assert files.cat("/bucket/a.mp3") == AUDIO
        assert files.ls("/bucket", detail=False) == ["/bucket/a.mp3"]
        assert not caplog.records

    def test_that_denies_deleting_hides_no_refusal_of_pollys(self, output: PathOutput) -> None:
        """It is final; the object store's own error would be retried."""

        def refused() -> SpeechStream:
            raise PollyInvalidRequestError("no SSML")

        with pytest.raises(PollyInvalidRequestError, match="no SSML"):
            output.receive(refused)

    def test_that_can_rename_does(self, output: PathOutput) -> None:
        class Renaming(_Kept):
            def mv(self, path1: str, path2: str, **_: Any) -> None:
                self.store[path2] = self.store.pop(path1)

            def copy(self, *_: Any, **__: Any) -> None:
                raise NotImplementedError

        output._files = renaming = Renaming(skip_instance_cache=True)
        output.receive(speech)
        assert renaming.cat("/bucket/a.mp3") == AUDIO
