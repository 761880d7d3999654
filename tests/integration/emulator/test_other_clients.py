"""Clients that conflict with this environment, each in an environment of its own, from PyPI and npm.

The tests install them, so they run only where ``POLLY_EMULATOR_OTHER_CLIENTS`` is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator

pytestmark = [
    pytest.mark.skipif(
        "POLLY_EMULATOR_OTHER_CLIENTS" not in os.environ,
        reason="POLLY_EMULATOR_OTHER_CLIENTS is not set: installs clients from PyPI and npm",
    ),
    pytest.mark.timeout(600),
]

AIOBOTOCORE = """
import asyncio, json, sys
from aiobotocore.session import get_session

async def main(url, bucket):
    async with get_session().create_client(
        "polly", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id="any", aws_secret_access_key="any",
    ) as polly:
        started = await polly.start_speech_synthesis_task(
            Text="Hello", VoiceId="Joanna", OutputFormat="mp3", OutputS3BucketName=bucket)
        task_id = started["SynthesisTask"]["TaskId"]
        status = ""
        while status not in ("completed", "failed"):
            got = await polly.get_speech_synthesis_task(TaskId=task_id)
            status = got["SynthesisTask"]["TaskStatus"]
            await asyncio.sleep(0.05)
        listed = await polly.list_speech_synthesis_tasks(Status="completed")
        error = None
        try:
            await polly.get_speech_synthesis_task(TaskId="unknown")
        except polly.exceptions.SynthesisTaskNotFoundException as raised:
            error = type(raised).__name__
        spoken = await polly.synthesize_speech(Text="Hello", VoiceId="Joanna", OutputFormat="mp3")
        audio = await spoken["AudioStream"].read()
    print(json.dumps({"status": status, "listed": len(listed["SynthesisTasks"]), "error": error,
                      "bytes": len(audio)}))

asyncio.run(main(*sys.argv[1:]))
"""

JAVASCRIPT = """
import { NodeHttpHandler } from "@smithy/node-http-handler";
import {
  GetSpeechSynthesisTaskCommand, ListSpeechSynthesisTasksCommand, PollyClient,
  StartSpeechSynthesisTaskCommand, SynthesizeSpeechCommand,
} from "@aws-sdk/client-polly";

const [endpoint, bucket] = process.argv.slice(2);
const polly = new PollyClient({
  endpoint, region: "us-east-1", credentials: { accessKeyId: "any", secretAccessKey: "any" },
  requestHandler: new NodeHttpHandler(),
});
const request = { Text: "Hello", VoiceId: "Joanna", OutputFormat: "mp3" };
const started = await polly.send(
  new StartSpeechSynthesisTaskCommand({ ...request, OutputS3BucketName: bucket }));
let status = "";
while (status !== "completed" && status !== "failed") {
  const got = await polly.send(
    new GetSpeechSynthesisTaskCommand({ TaskId: started.SynthesisTask.TaskId }));
  status = got.SynthesisTask.TaskStatus;
}
const listed = await polly.send(new ListSpeechSynthesisTasksCommand({ Status: "completed" }));
let error = null;
try {
  await polly.send(new GetSpeechSynthesisTaskCommand({ TaskId: "unknown" }));
} catch (raised) {
  error = raised.name;
}
const spoken = await polly.send(new SynthesizeSpeechCommand(request));
const audio = await spoken.AudioStream.transformToByteArray();
console.log(JSON.stringify({ status, listed: listed.SynthesisTasks.length, error, bytes: audio.length }));
process.exit(0);
"""


def run(*command: object, **settings: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_served(output: str) -> None:
    seen = json.loads(output.splitlines()[-1])
    assert seen.pop("bytes") > 1000
    assert seen == {"status": "completed", "listed": 1, "error": "SynthesisTaskNotFoundException"}


def test_aiobotocore_starts_gets_lists_and_speaks(emulator: RunningEmulator, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "aiobotocore")
    assert_served(run(python, "-c", AIOBOTOCORE, emulator.endpoint_url, emulator.bucket))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_javascript_sdk_over_http_1_starts_gets_lists_and_speaks(
    emulator: RunningEmulator, tmp_path: Path
) -> None:
    packages = ("@aws-sdk/client-polly", "@smithy/node-http-handler")
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", tmp_path, *packages)
    (tmp_path / "client.mjs").write_text(JAVASCRIPT)
    assert_served(run("node", tmp_path / "client.mjs", emulator.endpoint_url, emulator.bucket, cwd=tmp_path))
