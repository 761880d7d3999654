from __future__ import annotations

import json
import subprocess
import sys

from airflow.plugins_manager import AirflowPlugin

from airflow_polly_provider.text import ssml
from tests.unit.support import own_entry_point


def test_the_entry_point_is_a_valid_airflow_plugin_named_polly() -> None:
    plugin = own_entry_point("airflow.plugins").load()
    assert issubclass(plugin, AirflowPlugin)
    assert plugin.name == "polly", "templates use this name"
    plugin.validate()


def test_the_plugin_and_the_provider_info_import_only_this_package() -> None:
    """Every Airflow command imports both."""
    program = (
        "import json, sys\n"
        "import airflow.plugins_manager\n"
        "before = set(sys.modules)\n"
        "import airflow_polly_provider.get_provider_info, airflow_polly_provider.plugin\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert imported - sys.stdlib_module_names <= {"airflow_polly_provider"}


def test_commands_that_read_the_whole_plugin_do_not_import_fastapi_or_the_amazon_provider() -> None:
    """``airflow plugins`` reads the views and the applications."""
    program = (
        "import json, sys\n"
        "import airflow.plugins_manager\n"
        "before = set(sys.modules)\n"
        "from airflow_polly_provider.plugin import PollyPlugin\n"
        "plugin = PollyPlugin()\n"
        "plugin.external_views, plugin.fastapi_apps\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    imported = json.loads(done.stdout.splitlines()[-1])
    slow = ("fastapi", "starlette", "airflow.providers", "boto", "airflow_polly_provider.ui.app")
    assert [name for name in imported if name.startswith(slow)] == []


def test_every_public_function_of_the_ssml_module_is_a_macro() -> None:
    public = {
        name
        for name, thing in vars(ssml).items()
        if getattr(thing, "__module__", "") == ssml.__name__ and not name.startswith("_")
    }
    assert {function.__name__ for function in ssml.FUNCTIONS} == public
