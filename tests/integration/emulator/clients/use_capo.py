"""Start, wait, list and speak with capo, which has its own HTTP client: use_capo.py ENDPOINT_URL BUCKET."""

import asyncio
import json
import sys

from capo_polly import AsyncPollyClient
from capo_polly.errors import SynthesisTaskNotFoundException


async def main(endpoint_url: str, bucket: str) -> None:
    """Print the results as JSON."""
    async with AsyncPollyClient(endpoint=endpoint_url, region="us-east-1") as polly:
        request = {"text": "Hello", "voice_id": "Joanna", "output_format": "mp3"}
        started = await polly.start_speech_synthesis_task(**request, output_s3_bucket_name=bucket)
        task_id = started["synthesis_task"]["task_id"]
        status = ""
        while status not in ("completed", "failed"):
            await asyncio.sleep(0.05)
            got = await polly.get_speech_synthesis_task(task_id=task_id)
            status = got["synthesis_task"]["task_status"]
        listed = [task async for task in polly.iter_list_speech_synthesis_tasks(status="completed")]
        error = None
        try:
            await polly.get_speech_synthesis_task(task_id="unknown")
        except SynthesisTaskNotFoundException as raised:
            error = type(raised).__name__
        audio = b""
        async with polly.synthesize_speech(**request) as spoken:
            async for chunk in spoken["audio_stream"]:
                audio += chunk
    print(json.dumps({"status": status, "listed": len(listed), "error": error, "bytes": len(audio)}))


asyncio.run(main(*sys.argv[1:]))
