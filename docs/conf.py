"""Sphinx configuration. The site builds without a network: see ``inventories/README.md``."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from airflow_polly_provider import __version__

# autodoc imports Airflow, which makes its home and reads the configuration there: not in the user's own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-polly-docs-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

project = "airflow-polly-provider"
author = "the airflow-polly-provider contributors"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "inventories/README.md"]
nitpicky = True

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

# Copy the commands of a console block without their prompts and without their output.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    "Context": "airflow.sdk.Context",
    "Mapping": "collections.abc.Mapping",
    "OutputFormat": "airflow_polly_provider.request.literals.OutputFormat",
    "PokeReturnValue": "airflow.sdk.PokeReturnValue",
    "Quotas": "airflow_polly_provider.emulator.base.quotas.Quotas",
    "SpeechMarkType": "airflow_polly_provider.request.literals.SpeechMarkType",
    "TextType": "airflow_polly_provider.request.literals.TextType",
    "TriggerEvent": "airflow.triggers.base.TriggerEvent",
    "TransientError": "airflow_polly_provider.wait.poller.pending.TransientError",
}

# Committed inventories, so that the site builds the same with and without a network.
intersphinx_mapping = {
    name: (url, f"inventories/{name}.txt")
    for name, url in {
        "python": "https://docs.python.org/3/",
        "airflow": "https://airflow.apache.org/docs/apache-airflow/stable/",
        "task-sdk": "https://airflow.apache.org/docs/task-sdk/stable/",
        "amazon": "https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/",
        "botocore": "https://botocore.amazonaws.com/v1/documentation/api/latest/",
    }.items()
}

nitpick_ignore = [
    # Names that are imported for type checking only, where Sphinx cannot evaluate the rest of the annotation.
    ("py:class", "AwsConnectionWrapper"),
    ("py:class", "BaseOperator"),
    ("py:class", "BaseTrigger"),
    ("py:class", "BinaryFile"),
    ("py:class", "CaptionFormat"),
    ("py:class", "Config"),
    ("py:class", "Context"),
    ("py:class", "DAG"),
    ("py:class", "OperatorLineage"),
    ("py:class", "ReadManifest"),
    ("py:class", "ObjectStoragePath"),
    ("py:class", "StartTriggerArgs"),
    ("py:class", "TaskDecorator"),
    ("py:class", "TaskSuccessEvent"),
    ("py:class", "TriggerEvent"),
    ("py:class", "TypeAliasForwardRef"),
    ("py:class", "XComArg"),
    ("py:class", "array"),
    ("py:class", "datetime"),
    ("py:class", "timedelta"),
    # Type variables.
    ("py:class", "Answer"),
    ("py:class", "Found"),
    ("py:class", "Given"),
    ("py:class", "T"),
    # Sphinx cannot parse the signature of a dataclass with default factories.
    ("py:class", "dict[str"),
    ("py:class", "Sequence[Mapping[str"),
    # FastAPI's site has no inventory.
    ("py:class", "fastapi.applications.FastAPI"),
    # botocore's errors, which its documentation does not list by name.
    ("py:exc", "BotoCoreError"),
    ("py:exc", "ClientError"),
    ("py:exc", "HTTPClientError"),
    # Airflow documents its errors as airflow.exceptions, under another name than the classes bear.
    ("py:exc", "AirflowSensorTimeout"),
    ("py:class", "airflow.sdk.exceptions.AirflowException"),
    ("py:class", "airflow.sdk.exceptions.AirflowFailException"),
]
nitpick_ignore_regex = [
    # boto3's types are a stubs package, which the annotations name and no inventory lists.
    ("py:class", r"(\w+(TypeDef|Type)|PollyClient)"),
]
