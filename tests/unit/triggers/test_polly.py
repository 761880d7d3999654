"""A trigger's arguments are unchanged after storage in the database, and the trigger uses them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.amazon.aws.utils.mixins import AwsHookParams
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent

import airflow_polly_provider.triggers
from airflow_polly_provider.compat import XCom
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.triggers import events
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait.poller.client import STATUS_TIMEOUT_SECONDS, HookSettings
from tests.unit.support import connection, deferral_of, execute, recorded_hooks, sensor, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire

# A value that is not the default, for each parameter.
SAMPLES: dict[str, Any] = {
    "synthesis_task_id": "t1",
    "synthesis_task_ids": ["t1", "t2"],
    "manifest_s3_uri": "s3://my-bucket/batch.json",
    "manifest_etag": '"etag"',
    "deadline": 1735787045.25,
    "poke_interval": 12.5,
    "exponential_backoff": True,
    "max_wait": 33.0,
    "silent_fail": True,
    "end_from_trigger": True,
    "push_xcom": False,
    "extra_xcom": {"RequestDigest": "d"},
    "for_resume": {"key": "a.mp3"},
    "aws_conn_id": "other",
    "region_name": "us-west-2",
    "verify": "/etc/ssl/our.pem",
    "botocore_config": {"read_timeout": 7, "retries": {"mode": "standard"}},
}


def trigger_classes() -> list[type[BaseTrigger]]:
    package = airflow_polly_provider.triggers
    modules = [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return [
        thing
        for module in modules
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if issubclass(thing, BaseTrigger) and thing.__module__ == module.__name__
    ]


def import_string(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def parameters_of(trigger_class: type[BaseTrigger]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(trigger_class.__init__).parameters.items()
        if name != "self"
    }


each_trigger = pytest.mark.parametrize("trigger_class", trigger_classes())


class TestSerialization:
    def test_tests_find_the_trigger_classes(self) -> None:
        assert PollySpeechSynthesisTaskTrigger in trigger_classes()

    @each_trigger
    def test_tests_use_values_that_are_not_defaults(self, trigger_class: type[BaseTrigger]) -> None:
        for name, parameter in parameters_of(trigger_class).items():
            assert SAMPLES[name] != parameter.default, name

    @each_trigger
    def test_includes_every_argument(self, trigger_class: type[BaseTrigger]) -> None:
        given = {name: SAMPLES[name] for name in parameters_of(trigger_class)}
        path, arguments = trigger_class(**given).serialize()
        assert import_string(path) is trigger_class
        assert arguments == given
        assert json.loads(json.dumps(arguments)) == arguments

    @each_trigger
    def test_can_be_deserialized_to_an_equal_trigger(self, trigger_class: type[BaseTrigger]) -> None:
        given = {name: SAMPLES[name] for name in parameters_of(trigger_class)}
        path, arguments = trigger_class(**given).serialize()
        again = import_string(path)(**json.loads(json.dumps(arguments)))
        assert again.serialize() == (path, arguments)
        assert {name: getattr(again, name) for name in given} == given


class TestSynthesisTaskId:
    """The triggerer renders the template of a sensor that starts there."""

    @pytest.mark.parametrize("rendered", ["", " ", "None", "{'TaskId': 't1'}", None])
    async def test_that_is_invalid_ends_the_wait_with_the_same_error_as_in_a_worker(
        self, wire: Wire, rendered: Any
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as in_worker:
            execute(sensor(synthesis_task_id=rendered))
        waiting = PollySpeechSynthesisTaskTrigger(synthesis_task_id=rendered)
        (event,) = [event async for event in waiting.run()]
        with pytest.raises(PollyInvalidRequestError) as in_triggerer:
            events.synthesis_task_of(event.payload)
        assert str(in_triggerer.value) == str(in_worker.value)
        assert wire.requests == []


async def test_a_trigger_that_was_given_a_synthesis_task_waits_for_its_id(wire: Wire) -> None:
    given: Any = {"TaskId": "t1"}
    (event,) = [event async for event in PollySpeechSynthesisTaskTrigger(synthesis_task_id=given).run()]
    assert events.synthesis_task_of(event.payload)["TaskId"] == "t1"


class TestXComsPushedInTheTriggerer:
    @pytest.mark.parametrize("error", [OSError("no such bucket"), TimeoutError("no answer")])
    async def test_fall_back_to_a_worker_if_a_push_fails(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(**_: Any) -> None:
            raise error

        monkeypatch.setattr(XCom, "set", fail)
        monkeypatch.setattr("airflow_polly_provider.triggers.lifetime.supervisor_linger_seconds", lambda: 0.0)
        waiting = PollySpeechSynthesisTaskTrigger(
            synthesis_task_id="t1", deadline=time.time() + 60, end_from_trigger=True
        )
        waiting.trigger_id = 1
        waiting.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]  # only the attributes that are used
        (event,) = [event async for event in waiting.run()]
        assert not isinstance(event, TaskSuccessEvent)
        assert events.synthesis_task_of(event.payload)["TaskStatus"] == "completed"


class TestHookSettings:
    """Each setting of an operator reaches the client that the triggerer creates."""

    @each_trigger
    def test_include_all_settings_of_the_amazon_provider(self, trigger_class: type[BaseTrigger]) -> None:
        settings = AwsHookParams._fields
        assert set(settings) <= set(parameters_of(trigger_class))
        assert {field.name for field in dataclasses.fields(HookSettings)} == set(settings)

    @pytest.mark.parametrize("waiter", ["start", "get", "sensor"])
    @pytest.mark.parametrize(
        "settings",
        [
            {
                "region_name": "us-west-2",
                "verify": "/etc/ssl/our.pem",
                "botocore_config": {"read_timeout": 7, "connect_timeout": 3},
            },
            {"verify": False},
            {},
        ],
        ids=["all", "unverified", "none"],
    )
    async def test_reach_the_client_in_the_triggerer(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, waiter: str, settings: dict[str, Any]
    ) -> None:
        other = connection(region_name="eu-west-1", endpoint_url="http://polly.test:1")
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", other.replace("AKIAEXAMPLE", "AKIAOTHER"))
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        wire.answer = lambda _: synthesis_task("t1", "scheduled")
        deferred = deferral_of(waiter, aws_conn_id="other", **settings)
        wire.answer = lambda _: synthesis_task("t1", "completed")
        path, arguments = deferred.trigger.serialize()

        with recorded_hooks(monkeypatch) as hooks:
            trigger = import_string(path)(**json.loads(json.dumps(arguments)))
            (event,) = [event async for event in trigger.run()]

        assert events.synthesis_task_of(event.payload)["TaskStatus"] == "completed"
        (hook,) = hooks
        client: Any = hook.client
        assert client._request_signer._credentials.access_key == "AKIAOTHER"
        assert client.meta.endpoint_url == "http://polly.test:1"
        assert client.meta.region_name == settings.get("region_name", "eu-west-1")
        assert client._endpoint.http_session._verify == settings.get("verify", True)
        asked = settings.get("botocore_config", {})
        assert client.meta.config.read_timeout == asked.get("read_timeout", STATUS_TIMEOUT_SECONDS)
        assert client.meta.config.connect_timeout == asked.get("connect_timeout", STATUS_TIMEOUT_SECONDS)
        assert client.meta.config.retries["total_max_attempts"] == 1
        assert wire.requests[-1].url.startswith("http://polly.test:1/")
