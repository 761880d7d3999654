"""The routes of the application, their errors and their headers."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.middleware.gzip import GZipMiddleware

from airflow_polly_provider.ui import objects
from airflow_polly_provider.ui.app import create_app, router
from tests.unit.ui.support import AUDIO, BUCKET, COMPLETED, CONNECTION, PAGE, RESULT, RUN, asked

if TYPE_CHECKING:
    from tests.unit.ui.support import FakeS3, XComs

CONTENT = bytes(range(256)) * 40
VTT, TRANSCRIPT, CHAPTERS = (f"s3://{BUCKET}/audio/hello.{name}" for name in ("vtt", "json", "chapters.json"))
WITH_FILES = COMPLETED | {
    "return_value": RESULT | {"CaptionsS3Uris": {"vtt": VTT, "json": TRANSCRIPT}, "ChaptersS3Uri": CHAPTERS}
}
DATA_ROUTES = ("task", "run", "audio", "captions", "transcript", "chapters")
ALL_ROUTES = (*DATA_ROUTES, "listen", "listen.html")


@pytest.fixture
def complete(xcoms: XComs, s3: FakeS3) -> None:
    """Store a task with audio, captions, a transcript and chapters."""
    xcoms.push(WITH_FILES)
    s3.put(AUDIO, CONTENT)
    s3.put(VTT, b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", "text/vtt")
    s3.put(TRANSCRIPT, b'{"version": "1.0.0", "segments": [{"startTime": 0, "body": "Hello"}]}', "text/html")
    s3.put(CHAPTERS, b'{"version": "1.2.0", "chapters": [{"startTime": 1.5, "title": "One"}]}')


def test_every_route_needs_the_permission_to_read_the_xcoms_of_its_dag() -> None:
    """A plugin's routes are public unless they have this dependency."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(router.routes)
    assert {route.path for route in routes} >= {f"/dags/{{dag_id}}/{name}" for name in DATA_ROUTES}
    for route in routes:
        assert route.path.startswith("/dags/{dag_id}/"), "the permission is about the DAG in the path"
        needed = [str(each.dependency) for each in route.dependencies]
        assert any("requires_access_dag" in call for call in needed), route.path


def test_the_application_has_no_route_outside_the_router() -> None:
    """All routes, including Airflow's documentation pages, would otherwise be public."""
    with TestClient(create_app()) as anonymous:
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/dags", f"{PAGE}", f"{PAGE}/", f"{PAGE}/a/b"):
            assert anonymous.get(path).status_code == 404, path
    ours = {getattr(route, "path", None) for route in router.routes}
    others = [
        route
        for route in create_app().routes
        if getattr(route, "path", None) is not None and getattr(route, "path", None) not in ours
    ]
    assert others == []


@pytest.mark.parametrize("name", ALL_ROUTES)
@pytest.mark.usefixtures("complete")
def test_nobody_reads_anything_without_a_login(xcoms: XComs, s3: FakeS3, name: str) -> None:
    with TestClient(create_app(), follow_redirects=False) as anonymous:
        for parameters in (asked(), {}, asked(map_index=-7)):
            answer = anonymous.get(f"{PAGE}/{name}", params=parameters)
            assert answer.status_code == 401
            assert "You are not logged in." in answer.text
    assert xcoms.reads == len(s3.requests) == 0


@pytest.mark.usefixtures("complete")
def test_the_playlists_are_json(listener: TestClient) -> None:
    for name, parameters in (("task", asked()), ("run", {"run_id": RUN})):
        answer = listener.get(f"{PAGE}/{name}", params=parameters)
        assert answer.status_code == 200
        (track,) = answer.json()["tracks"]
        assert track["s3_uri"] == AUDIO
        assert track["captions"] is track["transcript"] is track["chapters"] is True


@pytest.mark.usefixtures("complete")
def test_the_audio_is_sent_whole_or_in_ranges(listener: TestClient, s3: FakeS3) -> None:
    whole = listener.get(f"{PAGE}/audio", params=asked())
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Content-Type"] == "audio/mpeg"
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = listener.get(f"{PAGE}/audio", params=asked(), headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(CONTENT)}"
    assert all(body.closed for body in s3.bodies)


@pytest.mark.usefixtures("complete")
def test_a_head_request_reads_no_audio(listener: TestClient, s3: FakeS3) -> None:
    answer = listener.head(f"{PAGE}/audio", params=asked())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert [request.method for request in s3.requests] == ["HEAD"]


@pytest.mark.usefixtures("complete")
def test_captions_transcript_and_chapters_are_sent(listener: TestClient) -> None:
    captions = listener.get(f"{PAGE}/captions", params=asked())
    assert captions.headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert captions.text.startswith("WEBVTT")
    transcript = listener.get(f"{PAGE}/transcript", params=asked())
    assert transcript.headers["Content-Type"] == "application/json"
    assert transcript.json() == {"segments": [{"startTime": 0, "body": "Hello"}]}
    chapters = listener.get(f"{PAGE}/chapters", params=asked())
    assert chapters.json() == {"chapters": [{"title": "One", "level": 1, "start": 1.5}]}


def test_the_chapters_of_a_result_are_sent(listener: TestClient, xcoms: XComs) -> None:
    given = [
        {"Title": "One", "Level": 1, "StartSeconds": 0},
        {"Title": None, "Level": 2, "StartSeconds": 2.5},
        {"Title": 5, "Level": "x", "StartSeconds": 3},
        {"Title": "no start"},
        {"Title": "too late", "StartSeconds": float("inf")},
        "not a chapter",
    ]
    xcoms.push(COMPLETED | {"return_value": RESULT | {"Chapters": given}})
    assert listener.get(f"{PAGE}/chapters", params=asked()).json() == {
        "chapters": [
            {"title": "One", "level": 1, "start": 0},
            {"title": None, "level": 2, "start": 2.5},
            {"title": None, "level": 1, "start": 3},
        ]
    }


@pytest.mark.parametrize("name", ["listen", "listen.html"])
def test_the_page_is_html_and_may_only_load_from_airflow(listener: TestClient, name: str) -> None:
    answer = listener.get(f"{PAGE}/{name}", params={"run_id": RUN})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "https:" not in policy
    if name == "listen":
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize(
    "name",
    [
        "other",
        "app.py",
        "..",
        "..%2fapp.py",
        "listen.html.bak",
        "__init__.py",
        "LISTEN.JS",
        "a.svg",
        "listen.html%00.js",
    ],
)
def test_only_files_of_the_page_are_sent(listener: TestClient, name: str) -> None:
    answer = listener.get(f"{PAGE}/{name}")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "There is no such page. Correct its address."}


@pytest.mark.parametrize("name", ALL_ROUTES)
@pytest.mark.usefixtures("complete")
def test_every_response_has_the_secure_headers(listener: TestClient, name: str) -> None:
    answers = [
        listener.get(f"{PAGE}/{name}", params=asked()),
        listener.get(f"{PAGE}/{name}", params=asked("other")),
        listener.get(f"{PAGE}/{name}", params={"run_id": "x" * 2_000}),
        listener.post(f"{PAGE}/{name}", params=asked()),
    ]
    with TestClient(create_app()) as anonymous:
        answers.append(anonymous.get(f"{PAGE}/{name}", params=asked()))
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        if name != "listen":
            assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.usefixtures("complete")
def test_audio_is_not_compressed(listener: TestClient, s3: FakeS3) -> None:
    """Airflow compresses responses. A range of compressed bytes would be of no use."""
    s3.put(AUDIO, b"a" * 100_000)
    compressing = TestClient(GZipMiddleware(listener.app, minimum_size=1024, compresslevel=5))
    for headers in ({}, {"Range": "bytes=0-50000"}):
        answer = compressing.get(f"{PAGE}/audio", params=asked(), headers=headers)
        assert answer.headers["Content-Encoding"] == "identity"
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        assert answer.content == b"a" * len(answer.content)


def test_a_long_playlist_is_compressed(listener: TestClient, xcoms: XComs) -> None:
    for map_index in range(50):
        xcoms.push(COMPLETED | {"return_value": RESULT | {"TaskId": f"t{map_index}"}}, map_index=map_index)
    compressing = TestClient(GZipMiddleware(listener.app, minimum_size=1024, compresslevel=5))
    answer = compressing.get(f"{PAGE}/run", params={"run_id": RUN})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.json()["tracks"]) == 50


@pytest.mark.usefixtures("complete")
def test_with_presigned_urls_the_browser_is_redirected_to_s3(
    listener: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__LISTEN_AUDIO", "presigned")
    answer = listener.get(f"{PAGE}/audio", params=asked(), headers={"Range": "bytes=0-9"})
    assert answer.status_code == 307
    url = answer.headers["Location"]
    assert f"{BUCKET}.s3.eu-west-1.amazonaws.com/audio/hello.mp3?" in url
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    assert "X-Amz-Expires=3600" in url
    assert "response-content-type=audio%2Fmpeg" in url
    page = listener.get(f"{PAGE}/listen", params=asked())
    assert "media-src 'self' https: http:;" in page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("complete")
def test_no_url_is_presigned_for_an_object_that_is_not_audio(
    listener: TestClient, xcoms: XComs, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__LISTEN_AUDIO", "presigned")
    xcoms.push(COMPLETED | {"return_value": RESULT | {"OutputS3Uri": "s3://secrets/salaries.csv"}})
    s3.put("s3://secrets/salaries.csv", b"1;2", "text/csv")
    answer = listener.get(f"{PAGE}/audio", params=asked())
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("status", "code", "answered", "sentence"),
    [
        (403, "AccessDenied", 403, "Allow s3:GetObject on it"),
        (404, "NoSuchKey", 404, "It may have been deleted or moved."),
        (404, "NoSuchBucket", 404, "It may have been deleted or moved."),
        (
            400,
            "ExpiredToken",
            502,
            "AWS rejected the credentials of the connection 'aws_default'. Renew them.",
        ),
        (403, "InvalidAccessKeyId", 502, "AWS rejected the credentials"),
        (400, "KeyTooLongError", 502, "S3 rejected the request for s3://bucket/audio/hello."),
    ],
)
@pytest.mark.usefixtures("complete")
def test_an_error_of_s3_becomes_a_sentence(
    listener: TestClient, s3: FakeS3, status: int, code: str, answered: int, sentence: str
) -> None:
    s3.always = (status, code)
    for name in ("audio", "captions", "transcript", "chapters"):
        answer = listener.get(f"{PAGE}/{name}", params=asked())
        assert answer.status_code == answered
        assert sentence in answer.json()["detail"]


@pytest.mark.usefixtures("complete")
def test_expired_credentials_are_replaced_within_the_request(listener: TestClient, s3: FakeS3) -> None:
    s3.refusals.append((400, "ExpiredToken"))
    assert listener.get(f"{PAGE}/audio", params=asked()).content == CONTENT
    s3.refusals.append((400, "ExpiredToken"))  # the response to HEAD has no error code
    assert listener.head(f"{PAGE}/audio", params=asked()).status_code == 200


@pytest.mark.usefixtures("complete")
def test_missing_credentials_say_what_to_do(listener: TestClient, xcoms: XComs) -> None:
    xcoms.push(WITH_FILES | {"AwsConnection": CONNECTION | {"AwsConnId": None, "RegionName": "eu-west-1"}})
    answer = listener.get(f"{PAGE}/audio", params=asked())
    assert answer.status_code == 502
    assert "No AWS credentials" in answer.json()["detail"]
    assert "Set them in the connection" in answer.json()["detail"]


def test_a_missing_connection_says_what_to_do(listener: TestClient, xcoms: XComs) -> None:
    xcoms.push(WITH_FILES | {"AwsConnection": CONNECTION | {"AwsConnId": "nobody"}})
    answer = listener.get(f"{PAGE}/audio", params=asked())
    assert answer.status_code == 502
    assert "The connection 'nobody' was not found." in answer.json()["detail"]


@pytest.mark.parametrize(
    ("uri", "content_type"),
    [("s3://secrets/salaries.csv", "text/csv"), (f"s3://{BUCKET}/page.html", "text/html")],
)
def test_an_object_that_is_not_audio_is_never_sent(
    listener: TestClient, xcoms: XComs, s3: FakeS3, uri: str, content_type: str
) -> None:
    xcoms.push(COMPLETED | {"return_value": RESULT | {"OutputS3Uri": uri}})
    s3.put(uri, b"top secret", content_type)
    for method in ("GET", "HEAD"):
        answer = listener.request(method, f"{PAGE}/audio", params=asked())
        assert answer.status_code == 404
        assert b"top secret" not in answer.content
    assert "is not audio" in listener.get(f"{PAGE}/audio", params=asked()).json()["detail"]
    assert s3.bodies
    assert all(body.closed for body in s3.bodies)


def test_a_page_with_an_audio_name_is_sent_as_audio(listener: TestClient, xcoms: XComs, s3: FakeS3) -> None:
    xcoms.push(COMPLETED)
    s3.put(AUDIO, b"<script>alert(1)</script>", "text/html")
    answer = listener.get(f"{PAGE}/audio", params=asked())
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("content", [b"", b"<html>", b"salary;1", b"\xff\xfe", b" WEBVTT"])
@pytest.mark.usefixtures("complete")
def test_captions_that_are_not_webvtt_are_not_sent(listener: TestClient, s3: FakeS3, content: bytes) -> None:
    s3.put(VTT, content)
    answer = listener.get(f"{PAGE}/captions", params=asked())
    assert answer.status_code == 502
    assert "not a WebVTT file" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"5",
        b"{}",
        b'{"segments": 5, "chapters": 5}',
        b'{"segments": {"a": 1}, "chapters": "text"}',
        b'{"segments": [{"startTime": NaN}], "chapters": [NaN]}',
        b'{"segments": [{"startTime": 1e999}], "chapters": [1e999]}',
        b'{"segments": [' + b"9" * 5_000 + b'], "chapters": [' + b"9" * 5_000 + b"]}",
        b"[" * 100_000,
        b'{"segments": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b', "chapters": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}",
    ],
)
@pytest.mark.usefixtures("complete")
def test_damaged_files_are_sentences(listener: TestClient, s3: FakeS3, content: bytes) -> None:
    s3.put(TRANSCRIPT, content)
    s3.put(CHAPTERS, content)
    for name, uri in (("transcript", TRANSCRIPT), ("chapters", CHAPTERS)):
        answer = listener.get(f"{PAGE}/{name}", params=asked())
        assert answer.status_code == 502
        assert answer.json()["detail"].startswith(f"{uri} is damaged: it must be JSON with a list of ")


@pytest.mark.parametrize("name", ["captions", "transcript", "chapters"])
@pytest.mark.usefixtures("complete")
def test_a_file_that_is_too_large_is_not_sent(
    listener: TestClient, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(objects, "MAX_FILE_BYTES", 1024 * 1024)
    for uri in (VTT, TRANSCRIPT, CHAPTERS):
        s3.put(uri, b"WEBVTT" + b" " * 1024 * 1024)
    answer = listener.get(f"{PAGE}/{name}", params=asked())
    assert answer.status_code == 413
    assert answer.json()["detail"].endswith("is larger than 1 MiB.")


@pytest.mark.parametrize("name", ["audio", "captions", "transcript", "chapters"])
def test_what_a_track_does_not_have_is_not_found(listener: TestClient, xcoms: XComs, name: str) -> None:
    xcoms.push(COMPLETED | {"OutputS3Uri": None, "return_value": RESULT | {"OutputS3Uri": None}})
    answer = listener.get(f"{PAGE}/{name}", params=asked())
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("This track has no ")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "run_id, task_id"),
        (asked(map_index=-2), "map_index"),
        (asked(map_index=2**31), "map_index"),
        (asked(map_index=10**30), "map_index"),
        (asked() | {"map_index": "x"}, "map_index"),
        (asked() | {"run_id": ""}, "run_id"),
        (asked() | {"run_id": "a\0b"}, "run_id"),
        (asked("") | {"run_id": "r" * 1_001}, "run_id, task_id"),
        (asked("a\0b"), "task_id"),
    ],
)
def test_an_invalid_address_says_what_to_correct(
    listener: TestClient, xcoms: XComs, parameters: dict[str, str], named: str
) -> None:
    for name in ("task", "audio", "captions"):
        answer = listener.get(f"{PAGE}/{name}", params=parameters)
        assert answer.status_code == 422
        assert answer.json()["detail"] == f"The address of this page is not valid. Correct or add: {named}."
    assert xcoms.reads == 0


@pytest.mark.parametrize(
    "forged",
    [
        "..",
        "../../etc/passwd",
        "%2e%2e",
        "%2F",
        "a/b",
        "'; DROP TABLE xcom; --",
        "%' OR '1'='1",
        "s3://secrets/key.mp3",
        "https://evil.example/",
        "\N{SNOWMAN}\N{PILE OF POO}",
        "\N{RIGHT-TO-LEFT OVERRIDE}gpj",
        "<script>alert(1)</script>",
        "a\r\nX-Forged: 1",
        "x" * 1_000,
        "{TASK_ID}",
        "~",
        "*",
    ],
)
@pytest.mark.usefixtures("complete")
def test_forged_ids_find_nothing(listener: TestClient, s3: FakeS3, forged: str) -> None:
    for parameters in (asked(forged), asked() | {"run_id": forged}, asked(item=forged)):
        for name in ("audio", "captions", "transcript", "chapters"):
            answer = listener.get(f"{PAGE}/{name}", params=parameters)
            assert answer.status_code == 404
            assert answer.json() == {"detail": "There is no such track. Reload the page."}
            assert "X-Forged" not in answer.headers
    assert s3.requests == []


@pytest.mark.parametrize(
    "dag_id", ["%2e%2e", "%2F", "%00", "a%0d%0ab", "%E2%98%83", "~", "%27%20OR%201=1", "x" * 1_001]
)
@pytest.mark.usefixtures("complete")
def test_forged_dag_ids_find_nothing(listener: TestClient, s3: FakeS3, dag_id: str) -> None:
    for name in ("task", "audio"):
        answer = listener.get(f"/dags/{dag_id}/{name}", params=asked())
        assert answer.status_code in ({200, 404, 422} if name == "task" else {404, 422})
        if answer.status_code == 200:
            assert answer.json()["tracks"] == []
    assert s3.requests == []


def test_html_in_texts_stays_text(listener: TestClient, xcoms: XComs) -> None:
    html = "<img src=x onerror=alert(1)>"
    xcoms.push({"AwsConnection": CONNECTION, "TaskStatus": "failed", "ErrorMessage": html})
    answer = listener.get(f"{PAGE}/task", params=asked())
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["tracks"][0]["reason"] == html
    for name in ("audio", html):
        answer = listener.get(f"{PAGE}/{name}", params=asked(html))
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["task", "run", "audio", "captions"])
def test_an_unexpected_error_has_no_stack_trace(
    listener: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    def fail(*_: object) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("airflow_polly_provider.ui.library.read_xcoms", fail)
    with caplog.at_level(logging.ERROR):
        answer = listener.get(f"{PAGE}/{name}", params=asked())
    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("The server failed. Reload the page.")
    assert "secret detail" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret detail" in caplog.text


def test_a_text_that_utf_8_cannot_encode_is_sent_as_json(listener: TestClient, xcoms: XComs) -> None:
    xcoms.push({"AwsConnection": CONNECTION, "TaskStatus": "failed", "ErrorMessage": "half \ud83d"})
    answer = listener.get(f"{PAGE}/task", params=asked())
    assert answer.status_code == 200
    assert json.loads(answer.content)["tracks"][0]["reason"] == "half \ud83d"


def test_the_parameters_of_the_page_are_not_in_its_html(listener: TestClient) -> None:
    answer = listener.get(f"{PAGE}/listen", params=asked("<script>alert(1)</script>"))
    assert "alert(1)" not in answer.text
