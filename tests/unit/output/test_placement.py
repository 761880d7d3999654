"""The copy to ``output_s3_key`` when the original changes meanwhile; many placements that share a client."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import ANY, Stubber

from airflow_polly_provider.audio.wav import WAV_CONTENT_TYPE
from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.exceptions import PollyOutputObjectError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.output.placement import OutputPlacement, output_exists
from airflow_polly_provider.output.provenance import output_plan
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.request.container import wav_form
from airflow_polly_provider.start.current_run import current_run
from tests.unit.support import as_context, context, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = {
    "OutputS3BucketName": "bucket",
    "OutputS3KeyPrefix": "audio",
    "OutputFormat": "pcm",
    "Text": "Hello",
    "VoiceId": "Amy",
}
ORIGINAL = S3Location("bucket", "audio.t1.mp3")
SOURCE = {"Bucket": ORIGINAL.bucket, "Key": ORIGINAL.key}

pytestmark = pytest.mark.usefixtures("aws_default")


@pytest.fixture
def access() -> S3Access:
    """Return the access to S3 that the placements of a test share."""
    return S3Access({"aws_conn_id": "aws_default"})


@pytest.fixture
def s3(access: S3Access) -> Iterator[Stubber]:
    """Answer the requests of the shared client, and refuse each one that the test does not expect."""
    with Stubber(access.client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def placement_of(access: S3Access, key: str = "final.mp3", *, wav: bool = False) -> OutputPlacement:
    form = wav_form("wav", REQUEST) if wav else None
    return OutputPlacement(
        output_plan(key, REQUEST, "token", {}, form),
        current_run(as_context(context())),
        hook=PollyHook(aws_conn_id="aws_default"),
        s3=access,
        keep_original=False,
        skip_if_unchanged=True,
        adoptable=True,
    )


def expect_head(s3: Stubber, etag: str) -> None:
    head = {"ContentLength": 4, "ContentType": "audio/mpeg", "ETag": etag, "Metadata": {}}
    s3.add_response("head_object", head, SOURCE)


def asked_copy(etag: str) -> dict[str, Any]:
    return {
        "Bucket": "bucket",
        "Key": "final.mp3",
        "CopySource": SOURCE,
        "CopySourceIfMatch": etag,
        "ContentType": "audio/mpeg",
        "Metadata": ANY,
        "MetadataDirective": "REPLACE",
    }


class TestReplacedOriginal:
    """Someone replaces the original between the request for its size and the copy."""

    def test_is_copied_as_it_is_then(self, access: S3Access, s3: Stubber) -> None:
        expect_head(s3, '"a"')
        s3.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
        expect_head(s3, '"b"')
        s3.add_response("copy_object", {}, asked_copy('"b"'))
        s3.add_response("delete_object", {}, SOURCE)
        put = placement_of(access).put(synthesis_task("t1"))
        assert put["OutputUri"].endswith("/bucket/final.mp3")

    def test_becomes_a_wav_file_as_it_is_then(self, access: S3Access, s3: Stubber) -> None:
        expect_head(s3, '"a"')
        s3.add_client_error("get_object", "PreconditionFailed", http_status_code=412)
        expect_head(s3, '"b"')
        s3.add_response("get_object", {"Body": io.BytesIO(b"abcd")}, {**SOURCE, "IfMatch": '"b"'})
        asked = {"Bucket": "bucket", "Key": "final.mp3", "Metadata": ANY, "Body": ANY}
        s3.add_response("put_object", {}, {**asked, "ContentType": WAV_CONTENT_TYPE})
        s3.add_response("delete_object", {}, SOURCE)
        put = placement_of(access, wav=True).put(synthesis_task("t1"))
        assert put["OutputContainer"] == "wav"

    def test_that_is_replaced_again_is_an_error(self, access: S3Access, s3: Stubber) -> None:
        for etag in ('"a"', '"b"'):
            expect_head(s3, etag)
            s3.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
        with pytest.raises(PollyOutputObjectError, match="copying its output failed"):
            placement_of(access).put(synthesis_task("t1"))


class TestReusable:
    def test_object_has_the_size_that_s3_reported(self, access: S3Access, s3: Stubber) -> None:
        placement = placement_of(access)
        metadata = {
            "polly-task-id": "t1",
            "polly-output-uri": "https://s3.eu-west-1.amazonaws.com/bucket/audio.t1.mp3",
            "polly-creation-time": "2025-01-02T03:04:05+00:00",
            "polly-request-characters": "5",
            "polly-speech-digest": placement.plan.speech_digest,
        }
        head = {"ContentLength": 1234, "Metadata": metadata}
        s3.add_response("head_object", head, {"Bucket": "bucket", "Key": "final.mp3"})
        found = placement.find_reusable(REQUEST)
        assert found is not None
        assert (found.size, found.synthesis_task["Unchanged"]) == (1234, True)

    def test_objects_of_many_placements_need_one_client(self, access: S3Access, s3: Stubber) -> None:
        for number in range(20):
            s3.add_client_error("head_object", "404", http_status_code=404)
            assert placement_of(access, f"{number}.mp3").find_reusable(REQUEST) is None


class TestExists:
    @pytest.mark.parametrize(("status", "exists"), [(404, False), (403, True)])
    def test_is_assumed_unless_s3_says_that_the_object_is_missing(
        self, access: S3Access, s3: Stubber, status: int, exists: bool
    ) -> None:
        s3.add_client_error("head_object", str(status), http_status_code=status)
        assert output_exists(ORIGINAL, s3=access, placement=None) is exists

    def test_is_true_for_an_object_that_is_there(self, access: S3Access, s3: Stubber) -> None:
        expect_head(s3, '"a"')
        assert output_exists(ORIGINAL, s3=access, placement=None)
