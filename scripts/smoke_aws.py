"""Run one synthesis task on real AWS, check its object, and delete it: ``make smoke-aws``.

The script uses the credentials and the region that boto3 finds, and the bucket in the environment variable
``POLLY_SYSTEM_TEST_BUCKET``. It runs a DAG with the start operator in its own process, including the deferred
wait. If ``AWS_ENDPOINT_URL`` is the URL of an emulator, the script runs against the emulator.

Polly bills the characters of one sentence. CI runs the script only against the emulator, never against AWS.
"""

import os
import sys
import tempfile
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

BUCKET_VARIABLE = "POLLY_SYSTEM_TEST_BUCKET"
SENTENCE = "This is a test of Amazon Polly."
ENGINE = "standard"
VOICE = "Joanna"
PRICES_OF = "October 2026"
PRICE_PAGE = "https://aws.amazon.com/polly/pricing/"
DOLLARS_PER_MILLION_CHARACTERS = {"standard": 4, "neural": 16, "generative": 30, "long-form": 100}


class SmokeTestError(RuntimeError):
    """The result of the smoke test is not the expected result."""


def main() -> int:
    """Run the smoke test, and return the exit code: 2 if a setting is missing, 1 if the test fails."""
    bucket = os.environ.get(BUCKET_VARIABLE, "")
    if missing := missing_settings(bucket):
        print("\n".join(missing), file=sys.stderr)
        return 2
    print(f"Endpoint: {os.environ.get('AWS_ENDPOINT_URL', 'AWS')}. Bucket: {bucket}.")
    print(price(len(SENTENCE)))
    prefix = f"airflow-polly-provider/smoke-{uuid.uuid4().hex[:8]}"
    print(f"If this command is interrupted, delete the objects under s3://{bucket}/{prefix}", flush=True)
    try:
        characters = speak_and_check(bucket, prefix)
    except (SmokeTestError, BotoCoreError, ClientError) as error:
        print(f"\nThe smoke test failed: {error}", file=sys.stderr)
        print(f"Delete the remaining objects under s3://{bucket}/{prefix}", file=sys.stderr)
        return 1
    print(f"\nPassed: {characters} characters billed, and the object is deleted.")
    return 0


def missing_settings(bucket: str) -> list[str]:
    """Return a message for each setting that is missing.

    :param bucket: value of the variable that names the bucket
    """
    session = boto3.Session()
    messages = []
    if not bucket:
        messages.append(
            f"{BUCKET_VARIABLE} is not set: set it to one of your buckets. {price(len(SENTENCE))}"
        )
    if not session.region_name:
        messages.append("No region: set AWS_DEFAULT_REGION to the bucket's region.")
    if session.get_credentials() is None:
        messages.append("No credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    return messages


def price(characters: int) -> str:
    """Return a sentence with the price of the synthesis task.

    :param characters: number of characters that Polly bills
    """
    dollars = DOLLARS_PER_MILLION_CHARACTERS[ENGINE]
    return (
        f"Price: {characters} characters * ${dollars} / 1,000,000 (engine {ENGINE}, {PRICES_OF}) = "
        f"${characters * dollars / 1_000_000:.6f}. Check the current price: {PRICE_PAGE}"
    )


def speak_and_check(bucket: str, prefix: str) -> int:
    """Run the DAG, check the object, delete it, and return the number of characters billed.

    :param bucket: bucket to which Polly writes the object
    :param prefix: start of the object's key
    :raises SmokeTestError: if the DAG failed, or its result is wrong
    """
    from airflow_polly_provider.emulator.dag_runs import create_database, run_dag, use_home

    with tempfile.TemporaryDirectory(prefix="airflow-polly-smoke-") as home:
        use_home(Path(home))
        # Import this module only now, because it imports Airflow, whose home must be set before.
        from airflow_polly_provider.aws.s3 import parse_output_uri

        create_database()
        run = run_dag(make_dag(bucket, prefix))
        if run.state != "success":
            raise SmokeTestError(
                f"the DAG run ended in the state {run.state}. The task's log above shows the reason."
            )
        characters = int(run.xcom("speak", "RequestCharacters"))
        location = parse_output_uri(run.xcom("speak", "OutputUri"))
    s3 = boto3.client("s3")
    try:
        head = s3.head_object(Bucket=location.bucket, Key=location.key)
    finally:
        s3.delete_object(Bucket=location.bucket, Key=location.key)
    print(f"s3://{location.bucket}/{location.key}: {head['ContentLength']:,} bytes of {head['ContentType']}")
    if head["ContentLength"] == 0 or head["ContentType"] != "audio/mpeg":
        got = f"{head['ContentLength']} bytes of {head['ContentType']}"
        raise SmokeTestError(f"expected a non-empty object of the type audio/mpeg, got {got}.")
    if not location.key.startswith(prefix) or location.bucket != bucket:
        raise SmokeTestError(f"expected the object under s3://{bucket}/{prefix}, but it is {location}.")
    if characters != len(SENTENCE):
        raise SmokeTestError(f"expected {len(SENTENCE)} billed characters, got {characters}.")
    return characters


def make_dag(bucket: str, prefix: str) -> Any:
    """Return a DAG that starts a synthesis task, and defers until it ends.

    :param bucket: bucket to which Polly writes the object
    :param prefix: start of the object's key
    """
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator

    with DAG("polly_smoke_test", schedule=None, start_date=datetime(2025, 1, 1)) as dag:
        PollyStartSpeechSynthesisTaskOperator(
            task_id="speak",
            text=SENTENCE,
            text_may_name_file=False,
            voice_id=VOICE,
            engine=ENGINE,
            output_s3_bucket_name=bucket,
            output_s3_key_prefix=prefix,
            aws_conn_id=None,
            deferrable=True,
            max_request_characters=len(SENTENCE),
        )
    return dag


if __name__ == "__main__":
    sys.exit(main())
