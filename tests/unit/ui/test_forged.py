"""Whatever a task, or a user who may write XComs, puts into them: no request fails on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_polly_provider.ui.media_types import audio_type
from tests.unit.ui.support import AUDIO, COMPLETED, CONNECTION, PAGE, RESULT, RUN, asked

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.unit.ui.support import FakeS3, XComs

pytestmark = pytest.mark.usefixtures("aws_default")

_texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["", AUDIO, "s3://bucket/a.csv", "s3://b/\ud800", "\0", "completed", "failed", "<b>", "x" * 5_000]
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63])
    | st.floats(allow_nan=True, allow_infinity=True)
    | _texts
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [
    *RESULT,
    "CaptionsS3Uris",
    "Chapters",
    "ChaptersS3Uri",
    "DryRun",
    "Id",
    "Items",
    "TaskStatusReason",
    "TotalPieces",
    "Unchanged",
]
_chapters = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("Title", "Level", "StartSeconds"), _json))
)
_results = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_FIELDS, _json),
        "Chapters": _json | _chapters,
        "CaptionsS3Uris": _json | st.fixed_dictionaries({}, optional={"vtt": _json, "json": _json}),
        "Items": _json
        | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _json)), max_size=3),
    },
)
_connections = st.fixed_dictionaries(
    {"AwsConnId": st.sampled_from(["aws_default"]) | _json},
    optional={"RegionName": _json, "Verify": _json, "CustomEndpoint": _json},
)
_xcoms = st.fixed_dictionaries(
    {},
    optional={
        "AwsConnection": st.just(CONNECTION) | _connections | _json,
        "ErrorMessage": _json,
        "Items": _json,
        "ManifestS3Uri": _json,
        "OutputS3Uri": _json,
        "TaskId": _json,
        "TaskStatus": _json,
        "TaskStatusReason": _json,
        "return_value": st.builds(lambda changed: RESULT | changed, _results) | _results | _json,
    },
)
_STATUSES = {200, 206, 307, 404, 502}


@pytest.fixture(autouse=True)
def _refused_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look up connections only in the environment: the unit tests have no database."""
    monkeypatch.setattr("airflow.secrets.metastore.MetastoreBackend.get_connection", lambda *_, **__: None)


@given(pushed=_xcoms)
@example(pushed=COMPLETED | {"AwsConnection": CONNECTION | {"AwsConnId": "a\0b"}})
@example(pushed=COMPLETED | {"AwsConnection": CONNECTION | {"AwsConnId": "\ud800"}})
@example(pushed=COMPLETED | {"AwsConnection": CONNECTION | {"Verify": "/no/such/file"}})
@example(pushed=COMPLETED | {"AwsConnection": CONNECTION | {"Verify": "a\0b"}})
@example(pushed=COMPLETED | {"AwsConnection": CONNECTION | {"RegionName": "evil.example/#"}})
@example(pushed=COMPLETED | {"return_value": RESULT | {"DurationSeconds": float("nan")}})
@example(pushed=COMPLETED | {"return_value": RESULT | {"OutputS3Uri": "s3://b/" + "k" * 5_000 + ".mp3"}})
@example(pushed=COMPLETED | {"return_value": RESULT | {"OutputS3Uri": "s3://not a bucket/k.mp3"}})
@example(pushed=COMPLETED | {"return_value": RESULT | {"OutputS3Uri": "s3://arn:aws:s3:eu-west-1:1:x/k.mp3"}})
@example(pushed=COMPLETED | {"return_value": RESULT | {"OutputS3Uri": "s3://arn:aws:iam::1:role/k.mp3"}})
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_forged_xcoms_never_fail_on_the_server(
    listener: TestClient, xcoms: XComs, s3: FakeS3, pushed: dict[str, Any]
) -> None:
    xcoms.rows.clear()
    xcoms.push(pushed)
    for name in ("task", "run"):
        answer = listener.get(f"{PAGE}/{name}", params=asked() if name == "task" else {"run_id": RUN})
        assert answer.status_code == 200, answer.text
    items = {track["item"] for track in listener.get(f"{PAGE}/task", params=asked()).json()["tracks"]}
    for item in {None, *items}:
        parameters = asked() if item is None else asked(item=item.encode(errors="replace").decode())
        for name in ("audio", "captions", "transcript", "chapters"):
            answer = listener.get(f"{PAGE}/{name}", params=parameters)
            assert answer.status_code in _STATUSES | ({422} if item and len(item) > 1_000 else set()), (
                answer.text
            )
            if answer.status_code >= 400:
                assert isinstance(answer.json()["detail"], str)


@given(
    content=st.binary(max_size=50),
    key=_texts,
    content_type=st.text(st.characters(codec="ascii"), max_size=20),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_bytes_of_an_object_are_only_sent_as_audio(
    listener: TestClient, xcoms: XComs, s3: FakeS3, content: bytes, key: str, content_type: str
) -> None:
    uri = f"s3://bucket/{key}"
    xcoms.push(COMPLETED | {"return_value": RESULT | {"OutputS3Uri": uri}})
    s3.put(uri, content, content_type)
    answer = listener.get(f"{PAGE}/audio", params=asked())
    if answer.status_code == 200:
        assert answer.headers["Content-Type"] == audio_type(key, content_type)
        assert answer.headers["Content-Type"].startswith("audio/")
    else:
        assert answer.headers["Content-Type"] == "application/json"
