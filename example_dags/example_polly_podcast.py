"""Turn articles into a podcast: audio for each article, and an RSS feed. Unchanged articles cost nothing."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

BUCKET = os.environ.get("POLLY_EXAMPLE_BUCKET", "my-audio")
SITE = f"https://{BUCKET}.s3.amazonaws.com"
SHARED: dict[str, Any] = {"start_date": datetime(2025, 1, 1), "catchup": False, "tags": ["polly", "example"]}
ARTICLES = [
    {"slug": "hole", "date": "Mon, 06 Jan 2025 06:00:00 GMT", "title": "Down the Hole", "text": "Go, Alice!"},
    {"slug": "tea", "date": "Mon, 13 Jan 2025 06:00:00 GMT", "title": "Tea & Cake", "text": "Tea is ready."},
]


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, **SHARED)
def example_polly_podcast() -> None:
    """Read the articles, speak those that are new or changed, and write the feed."""

    # [START howto_polly_podcast_speak]
    @task
    def articles() -> list[dict[str, str]]:
        """Return the articles; replace this with a query to your content system."""
        return ARTICLES

    found = articles()
    speak = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="speak",
        text="{{ ti.xcom_pull(task_ids='articles')[ti.map_index]['text'] }}",
        text_may_name_file=False,
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key_prefix="working/",
        skip_if_unchanged=True,
        deferrable=True,
    ).expand(output_s3_key=found.map(lambda article: f"podcast/{article['slug']}.mp3"))
    # [END howto_polly_podcast_speak]

    # [START howto_polly_podcast_feed]
    @task
    def feed(articles: list[dict[str, str]], spoken: list[dict[str, Any]]) -> int:
        """Write ``podcast/feed.xml``; return the number of billed characters in this run."""
        hook = S3Hook(extra_args={"ContentType": "application/rss+xml"})
        rss = ET.Element("rss", version="2.0")
        channel = ET.SubElement(rss, "channel")
        for tag, text in (("title", "Wonderland"), ("link", SITE), ("description", "Read by Polly")):
            ET.SubElement(channel, tag).text = text
        for article, audio in zip(articles, spoken, strict=True):
            key = audio["OutputS3Uri"].removeprefix(f"s3://{BUCKET}/")
            size = str(hook.head_object(key, BUCKET)["ContentLength"])
            item = ET.SubElement(channel, "item")
            ET.SubElement(item, "title").text = article["title"]
            ET.SubElement(item, "guid", isPermaLink="false").text = article["slug"]
            ET.SubElement(item, "pubDate").text = article["date"]
            ET.SubElement(item, "enclosure", url=f"{SITE}/{quote(key)}", length=size, type="audio/mpeg")
        document = ET.tostring(rss, encoding="utf-8", xml_declaration=True)
        hook.load_bytes(document, "podcast/feed.xml", BUCKET, replace=True)
        return sum(audio["RequestCharacters"] for audio in spoken)

    feed(found, speak.output)
    # [END howto_polly_podcast_feed]


example_polly_podcast()
