from __future__ import annotations

import pytest

from airflow_polly_provider.emulator.http.browsers import BrowserGuard, is_local_name
from airflow_polly_provider.emulator.http.messages import Request


def request(**headers: str) -> Request:
    return Request("GET", "/v1/voices", "", headers, b"")


def guard_on(address: str, *origins: str) -> BrowserGuard:
    guard = BrowserGuard(origins)
    guard.bind(address)
    return guard


def test_any_host_is_served_if_other_machines_can_reach_the_emulator() -> None:
    assert guard_on("0.0.0.0").refuse(request(host="polly:8000")) is None


@pytest.mark.parametrize("origin", ["https://evil.example", "http://polly:8000"])
def test_an_origin_with_a_dns_name_is_refused_if_other_machines_can_reach_the_emulator(origin: str) -> None:
    refusal = guard_on("0.0.0.0").refuse(request(host="polly:8000", origin=origin))
    assert refusal is not None
    assert refusal.status == 403


def test_an_origin_with_its_own_address_is_served_if_other_machines_can_reach_the_emulator() -> None:
    sent = request(host="192.0.2.1:8000", origin="http://192.0.2.1:8000")
    assert guard_on("0.0.0.0").refuse(sent) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_a_foreign_host_is_refused_on_a_loopback_address(address: str) -> None:
    assert guard_on(address).refuse(request(host="polly:8000")) is not None


@pytest.mark.parametrize("allowed", ["http://localhost:80", "http://localhost", "HTTP://LOCALHOST"])
def test_an_allowed_origin_matches_with_or_without_its_default_port(allowed: str) -> None:
    guard = guard_on("127.0.0.1", allowed)
    assert guard.refuse(request(host="127.0.0.1:8000", origin="http://localhost")) is None
    assert guard.refuse(request(host="127.0.0.1:8000", origin="https://localhost")) is not None


@pytest.mark.parametrize("host", ["localhost", "a.b.localhost:1", "127.1.2.3:80", "[::1]", "[::1]:80"])
def test_a_loopback_name_is_local(host: str) -> None:
    assert is_local_name(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "localhost.example",
        "notlocalhost",
        "10.0.0.1",
        "[::2]:80",
        "127.0.0.1@x",
        "0.0.0.0",
        "a localhost",
    ],
)
def test_any_other_name_is_not_local(host: str) -> None:
    assert not is_local_name(host)
