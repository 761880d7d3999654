"""The duration of finished audio, read with one request to S3 that never fails a task."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from airflow_polly_provider.audio.duration import START_BYTES
from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
from airflow_polly_provider.output.object_duration import DurationReader, with_duration
from tests.unit.support import Refusal, connection, polly_mp3, read_range, synthesis_task, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.unit.support import Wire

CONNECTION: dict[str, Any] = {
    "aws_conn_id": "aws_default",
    "region_name": None,
    "verify": None,
    "config": None,
}
TIMED_OUT = ConnectTimeoutError(endpoint_url="https://bucket.s3.eu-west-1.amazonaws.com")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the pauses of botocore's retries."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@contextmanager
def recorded_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Record every S3 client that is created."""
    made: list[Any] = []
    original = NamedConnectionS3Hook.get_client_type

    def recording(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(original(self, *args, **kwargs))
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(NamedConnectionS3Hook, "get_client_type", recording)
        yield made


def measured(**fields: Any) -> Mapping[str, Any]:
    return with_duration(synthesis_task(**fields), CONNECTION)


class TestDuration:
    def test_of_mp3_follows_from_its_size_and_first_bytes_in_one_request(self, wire: Wire) -> None:
        assert measured() == {**synthesis_task(), "DurationSeconds": 3.0}
        (read,) = wire.s3_reads
        assert read.method == "GET"
        assert read.url == "https://bucket.s3.eu-west-1.amazonaws.com/audio.t1.mp3"
        assert read.headers["Range"] == f"bytes=0-{START_BYTES - 1}".encode()

    @pytest.mark.parametrize(
        ("output_format", "sample_rate", "size", "seconds"),
        [
            ("pcm", "8000", 40_000, 2.5),
            ("pcm", "16000", 40_000, 1.25),
            ("pcm", None, 40_000, 1.25),
            ("mulaw", "8000", 12_345, 1.543),
            ("alaw", None, 12_345, 1.543),
        ],
    )
    def test_of_samples_without_header_follows_from_their_number(
        self, wire: Wire, output_format: str, sample_rate: str | None, size: int, seconds: float
    ) -> None:
        wire.audio = bytes(size)
        rate = {} if sample_rate is None else {"SampleRate": sample_rate}
        assert measured(OutputFormat=output_format, **rate)["DurationSeconds"] == seconds
        assert [read.method for read in wire.s3_reads] == ["HEAD"]

    @pytest.mark.parametrize(
        ("output_format", "header", "seconds"), [("pcm", 44, 1.0), ("mulaw", 58, 2.0), ("alaw", 58, 2.0)]
    )
    def test_of_a_wav_file_does_not_count_its_header(
        self, wire: Wire, output_format: str, header: int, seconds: float
    ) -> None:
        wire.audio = bytes(16_000 + header)
        wav = measured(OutputFormat=output_format, OutputContainer="wav", SampleRate="8000")
        assert wav["DurationSeconds"] == seconds

    @pytest.mark.parametrize("output_format", ["ogg_vorbis", "ogg_opus", "json"])
    def test_of_other_formats_is_left_out_without_a_request(self, wire: Wire, output_format: str) -> None:
        assert "DurationSeconds" not in measured(OutputFormat=output_format)
        assert wire.s3_reads == []

    @pytest.mark.parametrize("status", ["scheduled", "inProgress", "failed"])
    def test_is_not_read_before_completion_or_after_a_failure(self, wire: Wire, status: str) -> None:
        assert "DurationSeconds" not in measured(status=status)
        assert wire.s3_reads == []

    def test_that_is_already_known_is_not_read_again(self, wire: Wire) -> None:
        assert measured(DurationSeconds=1.5)["DurationSeconds"] == 1.5
        assert wire.s3_reads == []

    def test_of_a_whole_object_from_a_service_that_ignores_ranges_is_the_same(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def whole(request: Any, **_: Any) -> Any:
            answer = wire.s3(request)
            answer.status_code = 200
            del answer.headers["Content-Range"]
            answer.headers["Content-Length"] = str(len(polly_mp3()))
            return answer

        handlers = [*botocore.handlers.BUILTIN_HANDLERS[:-1], ("before-send.s3", whole)]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
        assert measured()["DurationSeconds"] == 3.0

    def test_uses_the_connection_and_region_of_the_task(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", connection(region_name="us-west-2"))
        with_duration(synthesis_task(), {**CONNECTION, "aws_conn_id": "elsewhere"})
        with_duration(synthesis_task(), {**CONNECTION, "region_name": "ap-south-1"})
        assert [".us-west-2." in read.url for read in wire.s3_reads] == [True, False]
        assert ".ap-south-1." in wire.s3_reads[1].url


class TestSetting:
    @pytest.mark.parametrize("given", ["False", "false", "0"])
    def test_off_sends_no_request(self, wire: Wire, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__MEASURE_DURATION", given)
        assert "DurationSeconds" not in measured()
        assert wire.s3_reads == []

    def test_that_is_invalid_is_logged_and_read_as_the_default(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__MEASURE_DURATION", "perhaps")
        assert measured()["DurationSeconds"] == 3.0
        assert "measure_duration must be True or False, not 'perhaps'" in warnings_in(caplog)[0]


class TestErrors:
    @pytest.mark.parametrize("output_format", ["mp3", "pcm"])
    @pytest.mark.parametrize("refusal", [Refusal("AccessDenied", 403), Refusal("NoSuchKey", 404)])
    def test_that_hide_the_object_leave_the_duration_out_and_say_why(
        self, wire: Wire, caplog: pytest.LogCaptureFixture, refusal: Refusal, output_format: str
    ) -> None:
        caplog.set_level(logging.INFO)
        wire.audio = refusal
        assert measured(OutputFormat=output_format) == synthesis_task(OutputFormat=output_format)
        (line,) = [record for record in caplog.records if "DurationSeconds" in record.message]
        assert line.levelno == logging.INFO, "s3:GetObject is optional"
        assert (refusal.code if output_format == "mp3" else str(refusal.status)) in line.message
        if refusal.status == 403:
            assert "allow s3:GetObject" in line.message
            assert "measure_duration = False" in line.message
        else:
            assert "does not exist" in line.message

    @pytest.mark.parametrize(
        ("answer", "requests"),
        [
            (Refusal("SlowDown", 503), 2),
            (Refusal("ExpiredToken", 400), 1),
            (TIMED_OUT, 2),
            (ReadTimeoutError(endpoint_url="https://s3"), 2),
            (EndpointConnectionError(endpoint_url="https://s3"), 2),
        ],
        ids=lambda value: getattr(value, "code", type(value).__name__),
    )
    def test_of_s3_and_the_network_leave_the_duration_out_after_at_most_two_requests(
        self, wire: Wire, caplog: pytest.LogCaptureFixture, answer: Any, requests: int
    ) -> None:
        wire.audio = answer
        assert measured() == synthesis_task()
        assert len(wire.s3_reads) == requests
        assert "The results have no DurationSeconds" in warnings_in(caplog)[-1]

    @pytest.mark.parametrize(
        "fields",
        [
            {"OutputUri": "https://elsewhere"},
            {"OutputUri": None},
            {"OutputFormat": "pcm", "SampleRate": "x"},
            {"OutputFormat": []},
        ],
    )
    def test_of_an_unreadable_synthesis_task_leave_the_duration_out(
        self, wire: Wire, fields: dict[str, Any]
    ) -> None:
        assert "DurationSeconds" not in measured(**fields)

    def test_about_the_connection_leave_the_duration_out(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        value = with_duration(synthesis_task(), {**CONNECTION, "aws_conn_id": "no_such_connection"})
        assert value == synthesis_task()
        assert "no_such_connection" in warnings_in(caplog)[-1]
        assert wire.s3_reads == []

    def test_of_sts_do_not_name_the_permission_for_s3(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def refuse(request: Any, **_: Any) -> Any:
            return read_range(request, Refusal("AccessDenied", 403))

        handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-send.sts", refuse)]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
        role = "arn:aws:iam::123456789012:role/speaker"
        monkeypatch.setenv("AIRFLOW_CONN_ROLE", connection(region_name="eu-west-1", role_arn=role))
        assert with_duration(synthesis_task(), {**CONNECTION, "aws_conn_id": "role"}) == synthesis_task()
        assert "AssumeRole" in warnings_in(caplog)[-1]
        assert "s3:GetObject" not in warnings_in(caplog)[-1]

    def test_of_another_mp3_leave_the_duration_out(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        wire.audio = b"not mp3 at all" * 100
        assert measured() == synthesis_task()
        assert "does not begin like audio that Polly wrote" in caplog.text


class TestReader:
    """Many waits of a triggerer share a reader."""

    def test_uses_one_client_for_all_objects(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        with recorded_clients(monkeypatch) as made:
            reader = DurationReader(CONNECTION)
            for number in range(3):
                assert reader.with_duration(synthesis_task(f"t{number}"))["DurationSeconds"] == 3.0
            assert len(made) == 1

    def test_sends_nothing_for_a_minute_after_s3_did_not_answer(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        monkeypatch.setattr("airflow_polly_provider.output.object_duration.time.monotonic", lambda: now)
        reader = DurationReader(CONNECTION)
        wire.audio = TIMED_OUT
        for _ in range(1000):
            assert "DurationSeconds" not in reader.with_duration(synthesis_task())
        assert len(wire.s3_reads) == 2, "one request and botocore's retry"
        now += 61
        wire.audio = polly_mp3()
        assert reader.with_duration(synthesis_task())["DurationSeconds"] == 3.0

    def test_reads_the_next_object_after_one_was_denied(self, wire: Wire) -> None:
        reader = DurationReader(CONNECTION)
        wire.audio = Refusal("AccessDenied", 403)
        assert "DurationSeconds" not in reader.with_duration(synthesis_task())
        wire.audio = polly_mp3()
        assert reader.with_duration(synthesis_task())["DurationSeconds"] == 3.0

    @pytest.mark.parametrize("output_format", ["mp3", "pcm"])
    def test_keeps_the_client_if_many_objects_are_denied(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, output_format: str
    ) -> None:
        """A new client costs much more than a request."""
        reader = DurationReader(CONNECTION)
        wire.audio = Refusal("AccessDenied", 403)
        with recorded_clients(monkeypatch) as made:
            for _ in range(5):
                reader.with_duration(synthesis_task(OutputFormat=output_format))
        assert len(wire.s3_reads) == 5
        # The response to HeadObject does not say why it was denied, so the credentials are renewed once.
        assert len(made) == (1 if output_format == "mp3" else 2)

    def test_uses_a_new_client_after_expired_credentials(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reader = DurationReader(CONNECTION)
        wire.audio = Refusal("ExpiredToken", 400)
        with recorded_clients(monkeypatch) as made:
            for _ in range(3):
                reader.with_duration(synthesis_task())
        assert len(made) == 3

    def test_of_a_location_that_is_not_in_s3_does_not_stop_the_others(self, wire: Wire) -> None:
        reader = DurationReader(CONNECTION)
        assert "DurationSeconds" not in reader.with_duration(synthesis_task(OutputUri="nonsense"))
        assert reader.with_duration(synthesis_task())["DurationSeconds"] == 3.0

    @pytest.mark.parametrize(
        ("fields", "seconds"),
        [
            ({"OutputFormat": "pcm", "SampleRate": "8000"}, 1.003),
            ({"OutputFormat": "pcm", "SampleRate": "8000", "OutputContainer": "wav"}, 1.0),
            ({"OutputFormat": "mulaw", "OutputContainer": "wav"}, 1.998),
        ],
    )
    def test_needs_no_request_for_an_object_whose_size_is_known(
        self, wire: Wire, fields: dict[str, Any], seconds: float
    ) -> None:
        reader = DurationReader(CONNECTION)
        value = reader.with_duration(synthesis_task(**fields), size=16_044)
        assert (value["DurationSeconds"], wire.s3_reads) == (seconds, [])

    def test_reads_the_beginning_of_an_mp3_although_its_size_is_known(self, wire: Wire) -> None:
        value = DurationReader(CONNECTION).with_duration(synthesis_task(), size=16_044)
        assert (value["DurationSeconds"], len(wire.s3_reads)) == (3.0, 1)

    def test_that_is_prepared_creates_a_new_client_only_when_it_is_prepared_again(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker may look up a connection only in its main thread."""
        with recorded_clients(monkeypatch) as made:
            reader = DurationReader(CONNECTION, max_pool_connections=20)
            reader.prepare()
            wire.audio = Refusal("ExpiredToken", 400)
            for _ in range(3):
                reader.with_duration(synthesis_task())
            assert len(made) == 1
            reader.prepare()
            wire.audio = polly_mp3()
            assert reader.with_duration(synthesis_task())["DurationSeconds"] == 3.0
            assert len(made) == 2

    def test_that_cannot_be_prepared_sends_nothing(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        reader = DurationReader({**CONNECTION, "aws_conn_id": "no_such_connection"})
        reader.prepare()
        assert "DurationSeconds" not in reader.with_duration(synthesis_task())
        assert "no_such_connection" in warnings_in(caplog)[0]
        assert wire.s3_reads == []

    def test_is_not_prepared_if_the_setting_is_off(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__MEASURE_DURATION", "False")
        with recorded_clients(monkeypatch) as made:
            DurationReader(CONNECTION).prepare()
        assert made == []

    def test_has_short_time_outs_whatever_the_connection_sets(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = {"read_timeout": 300, "retries": {"max_attempts": 9}, "proxies": {"https": "proxy:3128"}}
        monkeypatch.setenv("AIRFLOW_CONN_SLOW", connection(region_name="eu-west-1", config_kwargs=settings))
        config = DurationReader({**CONNECTION, "aws_conn_id": "slow"})._s3.client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (2, 5)
        assert config.retries["total_max_attempts"] == 2
        assert config.proxies == {"https": "proxy:3128"}
