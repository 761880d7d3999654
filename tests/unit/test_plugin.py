from __future__ import annotations

from importlib.metadata import entry_points

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text import ssml


def test_airflow_finds_the_plugin_by_its_entry_point() -> None:
    (found,) = (
        entry
        for entry in entry_points(group="airflow.plugins")
        if entry.value.startswith("airflow_polly_provider.")
    )
    plugin = found.load()
    assert issubclass(plugin, AirflowPlugin)
    assert plugin.name == "polly", "templates go by this name"
    plugin.validate()


def test_every_function_is_a_macro() -> None:
    public = {
        name
        for name, thing in vars(ssml).items()
        if getattr(thing, "__module__", "") == ssml.__name__ and not name.startswith("_")
    }
    assert {function.__name__ for function in ssml.FUNCTIONS} == public
