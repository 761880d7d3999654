"""If the endpoint's certificate cannot be verified, no request is sent and the task fails immediately."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.exceptions import PollyConfigurationError
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from tests.unit.support import connection, context, execute, start_operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def self_signed_certificate(folder: Path) -> Path:
    """Return a file with a key and a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Yield the data that a TLS server receives. The connection ``aws_default`` points to this server."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(self_signed_certificate(tmp_path))
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with (
                    suppress(OSError),
                    client,
                    server_context.wrap_socket(client, server_side=True) as secured,
                ):
                    received.append(secured.recv(65536))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1", endpoint_url=url))
        yield received
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("operator", ["start", "speech"])
def test_an_unverifiable_certificate_fails_the_task_before_anything_is_sent(
    endpoint: list[bytes], tmp_path: Path, operator: str
) -> None:
    speak: Any = start_operator()
    if operator == "speech":
        speak = PollySynthesizeSpeechOperator(
            task_id="speak", text="Text", voice_id="Amy", output_path=str(tmp_path / "speech.mp3")
        )
    with pytest.raises(PollyConfigurationError, match="verify in the connection") as refused:
        execute(speak, context())
    assert isinstance(refused.value, AirflowFailException), "a retry would meet the same certificate"
    assert not any(endpoint)
