"""The example that makes a podcast from articles."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

NAME = "example_polly_podcast"
START = "StartSpeechSynthesisTask"

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def dag(speaking_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> DAG:
    speaking_emulator.reset()
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", speaking_emulator.bucket)
    return dags_in(FOLDER / f"{NAME}.py")[NAME]


def articles_of(dag: DAG) -> list[dict[str, str]]:
    """Return the list in the DAG file, which a test may change."""
    articles: Any = dag.get_task("articles")
    found: list[dict[str, str]] = articles.python_callable.__globals__["ARTICLES"]
    return found


def test_first_run_pays_for_all_articles_the_second_for_none_and_the_third_for_the_changed_one(
    dag: DAG, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any
) -> None:
    articles = articles_of(dag)
    bucket = speaking_emulator.bucket

    first, second = run_dag(dag), run_dag(dag)
    feed = s3.get_object(Bucket=bucket, Key="podcast/feed.xml")["Body"].read()
    articles[1]["text"] = "{{ 7*7 }} cups"
    third = run_dag(dag)

    assert [run.state for run in (first, second, third)] == ["success"] * 3, third.output
    assert first.xcoms("feed")["return_value"] == sum(len(text) for text in ("Go, Alice!", "Tea is ready."))
    assert second.xcoms("feed")["return_value"] == 0
    assert [second.xcoms("speak", index)["return_value"]["Unchanged"] for index in (0, 1)] == [True, True]
    assert third.xcoms("feed")["return_value"] == len("{{ 7*7 }} cups"), "an article is no template"
    assert speaking_emulator.counters.calls(START, "ok") == 3
    assert [item.findtext("title") for item in ET.fromstring(feed).iter("item")] == [
        article["title"] for article in articles
    ]


def test_feed_is_rss_with_an_enclosure_for_each_article(
    dag: DAG, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any
) -> None:
    bucket = speaking_emulator.bucket
    articles_of(dag)[0]["slug"] = "café & cake"

    assert run_dag(dag).state == "success"

    stored = s3.get_object(Bucket=bucket, Key="podcast/feed.xml")
    assert stored["ContentType"] == "application/rss+xml"
    rss = ET.fromstring(stored["Body"].read())
    assert (rss.tag, rss.get("version")) == ("rss", "2.0")
    (channel,) = rss
    assert all(channel.findtext(tag) for tag in ("title", "link", "description"))
    enclosures = [dict(item.attrib) for item in channel.iter("enclosure")]
    site = f"https://{bucket}.s3.amazonaws.com/podcast"
    sizes = [
        s3.head_object(Bucket=bucket, Key=f"podcast/{slug}.mp3")["ContentLength"]
        for slug in ("café & cake", "tea")
    ]
    assert enclosures == [
        {"url": f"{site}/caf%C3%A9%20%26%20cake.mp3", "length": str(sizes[0]), "type": "audio/mpeg"},
        {"url": f"{site}/tea.mp3", "length": str(sizes[1]), "type": "audio/mpeg"},
    ]
    assert min(sizes) > 0
    items = list(channel.iter("item"))
    assert [item.findtext("title") for item in items] == ["Down the Hole", "Tea & Cake"]
    assert [parsedate_to_datetime(item.findtext("pubDate") or "").day for item in items] == [6, 13]
    assert len({item.findtext("guid") for item in items}) == 2
