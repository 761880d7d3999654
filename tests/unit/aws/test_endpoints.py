"""Whether requests of a connection go to AWS or to another endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import connection

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "http://localhost:4566"


@pytest.fixture(autouse=True)
def _aws_default(aws_default: None) -> None:
    """Create the connection ``aws_default``."""


def is_custom(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> bool:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1", **extra))
    return PollyHook().has_custom_endpoint


class TestConnection:
    def test_without_an_endpoint_uses_aws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not is_custom(monkeypatch)

    @pytest.mark.parametrize(
        "extra",
        [
            {"endpoint_url": ELSEWHERE},
            {"service_config": {"polly": {"endpoint_url": ELSEWHERE}}},
            {"service_config": {"s3": {"endpoint_url": ELSEWHERE}}},
        ],
    )
    def test_can_set_a_custom_endpoint(self, monkeypatch: pytest.MonkeyPatch, extra: Any) -> None:
        assert is_custom(monkeypatch, **extra)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "https://vpce-1-a.polly.eu-west-1.vpce.amazonaws.com",
            "https://s3.dualstack.eu-west-1.amazonaws.com",
            "https://polly.cn-north-1.amazonaws.com.cn",
        ],
    )
    def test_with_an_endpoint_of_aws_is_not_custom(
        self, monkeypatch: pytest.MonkeyPatch, endpoint: str
    ) -> None:
        assert not is_custom(monkeypatch, endpoint_url=endpoint)

    def test_with_an_endpoint_of_another_service_is_not_custom(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not is_custom(monkeypatch, service_config={"sts": {"endpoint_url": ELSEWHERE}})


class TestEnvironment:
    @pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_POLLY", "AWS_ENDPOINT_URL_S3"])
    def test_can_set_a_custom_endpoint(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(name, ELSEWHERE)
        assert is_custom(monkeypatch)

    def test_is_ignored_if_the_connection_sets_the_endpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
        assert not is_custom(monkeypatch, endpoint_url="https://polly.eu-west-1.amazonaws.com")

    def test_is_ignored_if_boto3_ignores_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
        monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        assert not is_custom(monkeypatch)

    def test_is_ignored_if_the_connection_ignores_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ELSEWHERE)
        assert not is_custom(monkeypatch, config_kwargs={"ignore_configured_endpoint_urls": True})

    def test_can_name_a_configuration_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "config"
        file.write_text(
            f"[default]\nservices = local\n[services local]\ns3 =\n  endpoint_url = {ELSEWHERE}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        assert is_custom(monkeypatch)


class TestError:
    def test_of_the_look_up_is_no_error(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(conn_id: str) -> None:
            raise ConnectionError("the secrets back-end is unavailable")

        monkeypatch.setattr(AwsBaseHook, "get_connection", fail)
        assert PollyHook().has_custom_endpoint is False
        assert "Cannot find out the endpoints of the connection 'aws_default'" in caplog.text

    def test_of_a_missing_profile_is_no_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert not is_custom(monkeypatch, profile_name="missing")

    def test_of_a_missing_connection_is_not_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A later request must look it up again, and not use other credentials."""
        hook = PollyHook("late")
        assert hook.has_custom_endpoint is False
        monkeypatch.setenv("AIRFLOW_CONN_LATE", connection(endpoint_url=ELSEWHERE))
        assert hook.has_custom_endpoint is True
