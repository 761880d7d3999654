"""The smoke test for real AWS runs against the emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

ROOT = Path(__file__).resolve().parents[2]


def smoke_test(**env: str) -> subprocess.CompletedProcess[str]:
    """Run the smoke test as ``make smoke-aws`` does, with these environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.smoke_aws"],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_smoke_test_speaks_one_sentence_and_deletes_its_object(
    speaking_emulator: RunningEmulator, s3: Any
) -> None:
    done = smoke_test(
        AWS_ENDPOINT_URL=speaking_emulator.endpoint_url,
        AWS_ACCESS_KEY_ID="any",
        AWS_SECRET_ACCESS_KEY="any",
        AWS_DEFAULT_REGION=speaking_emulator.region,
        POLLY_SYSTEM_TEST_BUCKET=speaking_emulator.bucket,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "= $0.000124. Check the current price" in done.stdout
    assert "Passed: 31 characters billed, and the object is deleted." in done.stdout
    assert speaking_emulator.counters.calls("StartSpeechSynthesisTask", "ok") == 1
    listed = s3.list_objects_v2(Bucket=speaking_emulator.bucket, Prefix="airflow-polly-provider/smoke-")
    assert listed["KeyCount"] == 0


def test_the_smoke_test_names_each_missing_setting_and_the_price() -> None:
    done = smoke_test(POLLY_SYSTEM_TEST_BUCKET="")

    assert done.returncode == 2
    assert done.stdout == ""
    bucket, region, credentials = done.stderr.splitlines()
    assert "POLLY_SYSTEM_TEST_BUCKET is not set" in bucket
    assert "$0.000124" in bucket
    assert "AWS_DEFAULT_REGION" in region
    assert "AWS_PROFILE" in credentials
