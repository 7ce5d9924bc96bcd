"""Over TLS only to whom one knows."""

import datetime
import socketserver
import ssl
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.wsgi import get_wsgi_application

from server.cli.client.connection import Connection
from server.cli.client.credentials import Credentials
from server.cli.client.errors import NotSignedIn, Unreachable


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who does not know it hangs up."""


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody else vouches for, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slipway test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    place = tmp_path / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return place


@pytest.fixture
def url(authority: Path) -> Iterator[str]:
    """The server over TLS; what is asked of it here needs no record."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with _Server(("127.0.0.1", 0), _Quiet) as server:
        server.set_app(get_wsgi_application())
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_server_that_nobody_vouches_for_is_shown_no_token(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with Connection(Credentials(url, "none")) as server, pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        server.get("me")


def test_further_authorities_come_from_a_file_that_the_environment_names(
    url: str, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with Connection(Credentials(url, "none")) as server, pytest.raises(NotSignedIn):
        server.get("me")
