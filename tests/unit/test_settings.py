from __future__ import annotations

import re

import pytest

from airflow_polly_provider import settings
from tests.unit.support import sensor, start_operator


@pytest.mark.parametrize("version", ["2.11.2", "3.2.2"])
def test_an_airflow_before_3_3_is_refused_naming_its_version(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(settings, "airflow_version", version)
    with pytest.raises(ValueError, match=re.escape(f"needs Airflow 3.3 or later; this is {version}")):
        sensor(start_from_trigger=True)
    with pytest.raises(ValueError, match=r"needs Airflow 3\.3"):
        start_operator(end_from_trigger=True, deferrable=True)
