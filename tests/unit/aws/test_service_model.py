from __future__ import annotations

import pytest

from airflow_polly_provider.aws.service_model import partition_of, polly_shape
from tests.unit.support import members_of


class TestPollyShape:
    @pytest.mark.parametrize("name", ["StartSpeechSynthesisTaskInput", "SynthesizeSpeechInput"])
    def test_has_the_members_of_the_shape_in_the_installed_botocore(self, name: str) -> None:
        assert polly_shape(name).members.keys() == members_of(name).keys()

    def test_is_read_only_once(self) -> None:
        """Each request needs several shapes, so the model is cached."""
        assert polly_shape("SynthesisTask") is polly_shape("SynthesisTask")


class TestPartition:
    @pytest.mark.parametrize(
        ("region", "partition"),
        [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eu-west-99", "aws"),
        ],
    )
    def test_is_derived_from_the_region_even_if_botocore_does_not_know_the_region(
        self, region: str, partition: str
    ) -> None:
        assert partition_of(region) == partition
