"""A user's typed DAG, written as in the documentation; ``tests/unit/test_typing.py`` checks it with mypy.

Each ``type: ignore`` marks a mistake that mypy must find: strict mode reports an unused ``type: ignore``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, ObjectStoragePath, dag, task

from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from airflow_polly_provider.results.sns_notification import synthesis_task_from_notification
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from airflow_polly_provider.text import ssml

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_polly_provider.results.lexicon import DeletedLexiconXCom, LexiconXCom
    from airflow_polly_provider.results.speech import SpeechXCom
    from airflow_polly_provider.results.synthesis_task import SynthesisTaskXCom

BUCKET = "my-audio"


class LoudOperator(PollyStartSpeechSynthesisTaskOperator):
    """Reads rendered values from its attributes."""

    def execute(self, context: Context) -> dict[str, Any]:
        self.voice_id = self.voice_id.title()
        print(self.output_s3_key_prefix.rstrip("/"), [name.lower() for name in self.lexicon_names])
        return super().execute(context)


class ShortOperator(PollySynthesizeSpeechOperator):
    """Reads rendered values from its attributes."""

    def execute(self, context: Context) -> SpeechXCom:
        print(self.voice_id.lower(), self.output_s3_key.rpartition("/"), int(self.sample_rate))
        return super().execute(context)


class PlacesOperator(PollyPutLexiconOperator):
    """Reads rendered values from its attributes."""

    def execute(self, context: Context) -> LexiconXCom:
        print(self.name.lower(), len(self.content))
        return super().execute(context)


@task
def write() -> str:
    calls = [
        ssml.s("Platform ", 9, ssml.pause(time=timedelta(seconds=1))),
        ssml.p(ssml.w("read", role="amazon:VB")),
    ]
    document = ssml.speak("Next, ", ssml.emphasis("listen"), *calls)
    return str(document) + " " * (ssml.billed_characters(document) > 100)


@task
def texts() -> list[str]:
    return ["One.", "Two."]


@task
def name_of_the_file(prefix: str) -> str:
    return f"{prefix}.mp3"


@task
def voices() -> list[str]:
    hook = PollyHook(aws_conn_id="aws_default", region_name="eu-west-1")
    for synthesis_task in hook.list_speech_synthesis_tasks(status="completed"):
        print(synthesis_task.get("TaskId"), hook.get_speech_synthesis_task("id").get("OutputUri"))
    speech = hook.synthesize_speech({"Text": "Hello", "VoiceId": "Amy", "OutputFormat": "mp3"})
    print(len(speech["AudioStream"].read()), [lexicon["Name"] for lexicon in hook.list_lexicons()])
    print([voice["Id"] for voice in hook.describe_voices(language_code="en-GB")])
    return [voice["Id"] for voice in hook.voices(language_code="en-IN", engine="neural")]


@task
def publish(uri: str, characters: int, speech: SynthesisTaskXCom) -> None:
    seconds = speech["SpokenCharacters"] / 15
    print(
        f"{uri}: {characters:,} characters, {seconds:.0f} s, {speech['OutputS3Uri']}, {speech.get('Engine')}"
    )
    print(speech["Characters"])  # type: ignore[typeddict-item]  # this key does not exist


@task
def tell(spoken: SpeechXCom, lexicon: LexiconXCom, deleted: DeletedLexiconXCom) -> str:
    return f"{spoken['OutputUri']} {spoken['ContentType']} {lexicon['Name']} {deleted['Deleted']}"


@task
def heard(body: str) -> dict[str, Any]:
    return synthesis_task_from_notification(body)


@task.polly(voice_id="Amy", output_s3_bucket_name=BUCKET, text_type="ssml", deferrable=True)
def bulletin(dag_run: Any = None) -> str:
    return f"<speak>The news of {dag_run.start_date:%Y}.</speak>"


@task.polly(voice_id="Brian", output_s3_bucket_name=BUCKET)
def announce(platform: int, state: str) -> str:
    return f"Platform {platform} is {state}."


@dag(schedule=None, start_date=datetime(2025, 1, 1))
def user_dag() -> None:
    put = PollyPutLexiconOperator(task_id="put", name="places", content="places.pls", retries=2)
    start = PollyStartSpeechSynthesisTaskOperator(
        task_id="start",
        text=write(),
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key=name_of_the_file("alice"),
        lexicon_names=[put.output["Name"]],
        sample_rate=24000,
        skip_if_unchanged=True,
        timeout=timedelta(hours=1),
        outlets=[Asset("s3://my-audio/announcements")],
    )
    PollyStartSpeechSynthesisTaskOperator(
        task_id="document",
        text=ssml.speak("Hello ", ssml.say_as("2025-01-01", interpret_as="date")),
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_format="json",
        speech_mark_types=["word", "sentence"],
    )
    PollySpeechSynthesisTaskSensor(task_id="by_output", synthesis_task_id=start.output, poke_interval=60)
    gate = PollySpeechSynthesisTaskSensor(
        task_id="by_key", synthesis_task_id=start.output["TaskId"], mode="reschedule", soft_fail=True
    )
    get = PollyGetSpeechSynthesisTaskOperator(task_id="get", synthesis_task_id=gate.output)
    gate >> get
    publish(get.output["OutputUri"], get.output["RequestCharacters"], get.output)

    to_s3 = PollySynthesizeSpeechOperator(
        task_id="to_s3",
        text=write(),
        text_type="ssml",
        voice_id="Amy",
        output_s3_bucket_name=BUCKET,
        output_s3_key="next.mp3",
    )
    PollySynthesizeSpeechOperator(
        task_id="to_path",
        text="Mind the gap.",
        voice_id="Amy",
        output_path=ObjectStoragePath("file:///data/next.ogg"),
        output_format="ogg_vorbis",
    )
    delete = PollyDeleteLexiconOperator(task_id="delete", name=put.output["Name"], ignore_if_missing=True)
    tell(to_s3.output, put.output, delete.output)
    start >> delete.as_teardown(setups=put)

    # Every operator accepts the result of a TaskFlow function; another function needs a variable of type Any.
    PollyGetSpeechSynthesisTaskOperator(task_id="of_bulletin", synthesis_task_id=bulletin())
    speech: Any = bulletin.override(task_id="again")()
    publish(speech["OutputS3Uri"], speech["SpokenCharacters"], speech)
    announce.partial(state="closed").expand(platform=[1, 2])
    announce.override(task_id="announce_loudly", voice_id="Joanna")(platform=3, state="open")
    announce(platform="three", state="open")  # type: ignore[arg-type]  # the function declares int

    many = PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="many", voice_id="Brian", output_s3_bucket_name=BUCKET, wait_for_completion=False
    ).expand(text=texts())
    PollySpeechSynthesisTaskSensor.partial(task_id="each", deferrable=True).expand(
        synthesis_task_id=many.output
    )
    PollySpeechSynthesisTaskSensor.partial(
        task_id="each_from_trigger",
        start_from_trigger=True,
        start_trigger_args=PollySpeechSynthesisTaskSensor.mapped_start_trigger_args(
            many.output, end_from_trigger=True
        ),
    ).expand(synthesis_task_id=many.output)
    PollyStartSpeechSynthesisTaskOperator.partial(
        task_id="samples", text="The quick brown fox.", output_s3_bucket_name=BUCKET
    ).expand(voice_id=voices())
    PollySpeechSynthesisTaskSensor.partial(task_id="each_heard").expand(
        synthesis_task_id=heard.expand(body=["{}"])
    )


user_dag()


def mistakes() -> None:
    """Contain mistakes that mypy must find; no DAG runs them."""
    PollySpeechSynthesisTaskSensor(task_id="number", synthesis_task_id=7)  # type: ignore[arg-type]
    PollySpeechSynthesisTaskSensor(task_id="nothing")  # type: ignore[call-arg]
    PollyStartSpeechSynthesisTaskOperator(
        task_id="format",
        text=["Hello"],  # type: ignore[arg-type]
        voice_id=None,  # type: ignore[arg-type]
        output_s3_bucket_name=BUCKET,
        output_format="mp4",  # type: ignore[arg-type]
    )
    ssml.emphasis(None)  # type: ignore[arg-type]
    PollyHook().describe_voices(engine="quick")  # type: ignore[arg-type]
