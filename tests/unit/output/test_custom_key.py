from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.support import execute, start_operator

if TYPE_CHECKING:
    from tests.unit.support import Wire

from_airflow_3_3 = pytest.mark.skipif(
    Version(Version(airflow_version).base_version) < Version("3.3"), reason="end_from_trigger needs it"
)


class TestContradictingParameters:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"keep_original": True}, "keep_original=True needs output_s3_key"),
            ({"skip_if_unchanged": True}, "skip_if_unchanged=True needs output_s3_key"),
            ({"output_container": "wav"}, "output_container='wav' needs output_s3_key"),
            ({"output_s3_key": "a.mp3", "wait_for_completion": False}, "needs wait_for_completion=True"),
            pytest.param(
                {"output_s3_key": "a.mp3", "deferrable": True, "end_from_trigger": True},
                "cannot be used with end_from_trigger=True",
                marks=from_airflow_3_3,
            ),
        ],
    )
    def test_are_refused_when_the_dag_is_parsed(self, given: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            start_operator(**given)


def test_an_invalid_key_is_refused_before_a_lexicon_is_requested_from_polly(wire: Wire) -> None:
    operator = start_operator(output_s3_key="folder/", skip_if_unchanged=True, lexicon_names=["words"])
    with pytest.raises(PollyInvalidRequestError, match="is a folder"):
        execute(operator)
    assert wire.requests == []
