"""What Airflow is told about this package (entry point ``apache_airflow_provider``)."""

from __future__ import annotations

from typing import Any

PACKAGE_NAME = "airflow-polly-provider"
INTEGRATION_NAME = "Amazon Polly"


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": PACKAGE_NAME,
        "name": INTEGRATION_NAME,
        "description": "Speech synthesis tasks of `Amazon Polly <https://aws.amazon.com/polly/>`__.",
        "integrations": [
            {
                "integration-name": INTEGRATION_NAME,
                "external-doc-url": "https://docs.aws.amazon.com/polly/latest/dg/asynchronous.html",
                "tags": ["aws"],
            }
        ],
        "hooks": [
            {
                "integration-name": INTEGRATION_NAME,
                "python-modules": ["airflow_polly_provider.hooks.polly"],
            }
        ],
        "operators": [
            {
                "integration-name": INTEGRATION_NAME,
                "python-modules": [
                    "airflow_polly_provider.operators.polly",
                    "airflow_polly_provider.operators.get",
                    "airflow_polly_provider.operators.lexicon",
                    "airflow_polly_provider.operators.synthesize",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": INTEGRATION_NAME,
                "python-modules": ["airflow_polly_provider.sensors.polly"],
            }
        ],
        "task-decorators": [
            {
                "name": "polly",
                "class-name": "airflow_polly_provider.decorators.polly.polly_task",
            }
        ],
        "extra-links": [
            "airflow_polly_provider.links.polly.PollySynthesisTasksLink",
            "airflow_polly_provider.links.polly.PollyOutputLink",
        ],
        "config": {
            "aws_polly": {
                "description": "Settings of the Amazon Polly provider.",
                "options": {
                    "token_namespace": {
                        "description": (
                            "Where several Airflow deployments share an AWS account and have DAG ids and run "
                            "ids in common: a name of its own for each, so that none takes another's "
                            "synthesis tasks for its own."
                        ),
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "production",
                        "default": "",
                    },
                    "status_requests_per_second": {
                        "description": (
                            "How many status requests a second the deferred waits of one triggerer may send "
                            "on one connection. AWS gives Get and List together 10 a second for a whole "
                            "account and region; the default is half of that."
                        ),
                        "type": "float",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "5",
                    },
                    "start_look_seconds": {
                        "description": (
                            "How long to look, in seconds, for a synthesis task whose start was not "
                            "answered, before it is started again: Polly may show a new task late."
                        ),
                        "type": "float",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "60",
                    },
                },
            },
        },
        "triggers": [
            {
                "integration-name": INTEGRATION_NAME,
                "python-modules": ["airflow_polly_provider.triggers.polly"],
            }
        ],
    }
