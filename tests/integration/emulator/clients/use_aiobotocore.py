"""Start, wait, list and speak with aiobotocore: use_aiobotocore.py BUCKET."""

import asyncio
import json
import sys

from aiobotocore.session import get_session


async def main(bucket: str) -> None:
    """Print the results as JSON."""
    async with get_session().create_client("polly") as polly:
        started = await polly.start_speech_synthesis_task(
            Text="Hello", VoiceId="Joanna", OutputFormat="mp3", OutputS3BucketName=bucket
        )
        task_id = started["SynthesisTask"]["TaskId"]
        status = ""
        while status not in ("completed", "failed"):
            await asyncio.sleep(0.05)
            got = await polly.get_speech_synthesis_task(TaskId=task_id)
            status = got["SynthesisTask"]["TaskStatus"]
        listed = await polly.list_speech_synthesis_tasks(Status="completed")
        error = None
        try:
            await polly.get_speech_synthesis_task(TaskId="unknown")
        except polly.exceptions.SynthesisTaskNotFoundException as raised:
            error = type(raised).__name__
        spoken = await polly.synthesize_speech(Text="Hello", VoiceId="Joanna", OutputFormat="mp3")
        audio = await spoken["AudioStream"].read()
    seen = {"status": status, "listed": len(listed["SynthesisTasks"]), "error": error, "bytes": len(audio)}
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
