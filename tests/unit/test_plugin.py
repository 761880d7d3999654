from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text import ssml
from tests.unit.support import own_entry_point


def test_the_entry_point_leads_to_a_valid_airflow_plugin_named_polly() -> None:
    plugin = own_entry_point("airflow.plugins").load()
    assert issubclass(plugin, AirflowPlugin)
    assert plugin.name == "polly", "templates use this name"
    plugin.validate()


def test_every_public_function_of_the_ssml_module_is_a_macro() -> None:
    public = {
        name
        for name, thing in vars(ssml).items()
        if getattr(thing, "__module__", "") == ssml.__name__ and not name.startswith("_")
    }
    assert {function.__name__ for function in ssml.FUNCTIONS} == public
