"""The provider metadata that Airflow loads (entry point ``apache_airflow_provider``)."""

from __future__ import annotations

from typing import Any

PACKAGE_NAME = "airflow-polly-provider"
INTEGRATION_NAME = "Amazon Polly"


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata in the format of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": PACKAGE_NAME,
        "name": INTEGRATION_NAME,
        "description": "Text-to-speech with `Amazon Polly <https://aws.amazon.com/polly/>`__.",
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
                    "airflow_polly_provider.operators.batch",
                    "airflow_polly_provider.operators.document",
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
            "airflow_polly_provider.links.polly.PollyBatchTasksLink",
            "airflow_polly_provider.links.polly.PollyManifestLink",
            "airflow_polly_provider.links.polly.PollyListenLink",
        ],
        "config": {
            "aws_polly": {
                "description": "Settings of the Amazon Polly provider.",
                "options": {
                    "token_namespace": {
                        "description": (
                            "Name of this Airflow deployment. Set a different value in each deployment if "
                            "several deployments share an AWS account and use the same DAG ids and run ids. "
                            "Otherwise a retry in one deployment may adopt a synthesis task that another "
                            "deployment started."
                        ),
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "production",
                        "default": "",
                    },
                    "status_requests_per_second": {
                        "description": (
                            "Maximum number of status requests per second that one triggerer sends on one "
                            "connection for all its deferred waits. The AWS quota for "
                            "GetSpeechSynthesisTask and ListSpeechSynthesisTasks together is 10 requests "
                            "per second for each account and region. The default is half of it."
                        ),
                        "type": "float",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "5",
                    },
                    "start_requests_per_second": {
                        "description": (
                            "Maximum number of synthesis tasks that one batch starts per second, for each "
                            "engine, as a JSON object. For an engine that is not in it, the AWS quota for "
                            "each account and region applies: 10 for standard and neural, 1 for long-form "
                            "and generative, and 1 for an engine that this version does not know. Set lower "
                            "numbers if several batches or other applications start synthesis tasks at the "
                            "same time, and higher ones if AWS has raised the quota."
                        ),
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": '{"neural": 5, "generative": 2}',
                        "default": "",
                    },
                    "price_per_million_characters": {
                        "description": (
                            "Price of a million billed characters for each engine, as a JSON object, in any "
                            "currency. With a price for its engine, a result has the field EstimatedCost. "
                            "The example shows the format; AWS's price page has the prices: "
                            "https://aws.amazon.com/polly/pricing/"
                        ),
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": '{"standard": 4.0, "neural": 16.0}',
                        "default": "",
                    },
                    "start_look_seconds": {
                        "description": (
                            "Time in seconds to search for a synthesis task if the response to its start "
                            "was lost. If the search does not find it, the operator starts a new one. A new "
                            "synthesis task may appear late in Polly's list."
                        ),
                        "type": "float",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "60",
                    },
                    "measure_duration": {
                        "description": (
                            "Whether to read the first bytes and the size of finished audio from S3, for "
                            "DurationSeconds in the results. It takes one GetObject request for each "
                            "completed synthesis task, with the permission s3:GetObject. Set False if "
                            "Airflow has no access to the audio."
                        ),
                        "type": "boolean",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "True",
                    },
                    "listen": {
                        "description": (
                            "Whether the Airflow UI has the tab Listen on tasks and runs, which plays their "
                            "audio, and whether the tasks have a link to it (Airflow 3.1 and later). The API "
                            "server reads the audio from S3, with the connection that the task used."
                        ),
                        "type": "boolean",
                        "version_added": "0.1.0",
                        "example": None,
                        "default": "True",
                    },
                    "listen_audio": {
                        "description": (
                            "How the tab Listen gets audio. proxy: the API server reads it from S3 and "
                            "passes it on. presigned: the browser reads it from S3, with a URL that is valid "
                            "for an hour. The browser then needs access to the bucket's endpoint."
                        ),
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "presigned",
                        "default": "proxy",
                    },
                },
            },
        },
        "triggers": [
            {
                "integration-name": INTEGRATION_NAME,
                "python-modules": [
                    "airflow_polly_provider.triggers.polly",
                    "airflow_polly_provider.triggers.batch",
                ],
            }
        ],
    }
