"""The example that speaks an article with captions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.integration.dag_builder import START
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    import pytest

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_captions"
KEY = "articles/speech.mp3"


def test_article_has_captions_that_agree_with_the_speech_marks(
    speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking_emulator.reset()
    bucket = speaking_emulator.bucket
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", bucket)
    dag = dags_in(FOLDER / f"{NAME}.py")[NAME]

    first, second = run_dag(dag), run_dag(dag)

    assert [run.state for run in (first, second)] == ["success"] * 2, second.output
    spoken, again = (run.xcoms("article") for run in (first, second))
    assert spoken["CaptionsS3Uris"] == {
        "vtt": f"s3://{bucket}/{KEY}.vtt",
        "srt": f"s3://{bucket}/{KEY}.srt",
        "json": f"s3://{bucket}/{KEY}.transcript.json",
    }
    # Four chapters: the audio and the speech marks of each.
    assert speaking_emulator.counters.calls(START, "ok") == 8
    assert (again["Unchanged"], again["CaptionsS3Uris"]) == (True, spoken["CaptionsS3Uris"])

    def content(uri: str) -> str:
        body: bytes = s3.get_object(Bucket=bucket, Key=uri.removeprefix(f"s3://{bucket}/"))["Body"].read()
        return body.decode()

    marks = [json.loads(line) for line in content(spoken["SpeechMarksS3Uri"]).splitlines()]
    starts = [mark["time"] / 1000 for mark in marks if mark["type"] == "word"]
    transcript = json.loads(content(spoken["CaptionsS3Uris"]["json"]))
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    assert [word["startTime"] for word in words] == starts
    assert starts[-1] < spoken["DurationSeconds"]
    chapters = [chapter["StartSeconds"] for chapter in spoken["Chapters"]]
    headings = [segment["startTime"] for segment in transcript["segments"]]
    assert all(any(abs(start - heading) < 0.5 for heading in headings) for start in chapters)
    for name in ("vtt", "srt"):
        captions = content(spoken["CaptionsS3Uris"][name])
        assert "library" in captions
        assert "title:" not in captions
    assert f'src="/media/{bucket}/{KEY}.vtt"' in first.xcoms("player")["return_value"]
