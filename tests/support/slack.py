"""Slack on loopback: a proxy that takes every host for itself and speaks TLS as `hooks.slack.com`.

So the real client of Slack runs, up to the socket; nothing leaves the machine.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.bodies import whole_body

HOST = "hooks.slack.com"


@dataclass
class Slack:
    """What was posted. `proxy` and `authority` are for a client's environment."""

    proxy: str = ""
    authority: Path = Path()
    status: int = 200
    posted: list[Any] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """The variables by which a client comes here."""
        certificate = str(self.authority)
        return {
            "HTTPS_PROXY": self.proxy,
            "REQUESTS_CA_BUNDLE": certificate,
            "SSL_CERT_FILE": certificate,
            "NO_PROXY": "",
        }


@contextmanager
def slack_on_loopback(folder: Path) -> Iterator[Slack]:
    """A stand-in for Slack's incoming webhooks."""
    state = Slack(authority=_certificate(folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            state.connected.append(self.path)
            self.send_response(200, "Connection established")
            self.end_headers()
            with (
                context.wrap_socket(self.connection, server_side=True) as tls,
                tls.makefile("rb") as self.rfile,
                tls.makefile("wb") as self.wfile,
            ):
                self.handle_one_request()
            self.rfile, self.wfile = BytesIO(), BytesIO()  # what is left to close
            self.close_connection = True

        def do_POST(self) -> None:
            state.posted.append(json.loads(whole_body(self)))
            answer = b"ok" if state.status == 200 else b"invalid_token"
            self.send_response(state.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.proxy = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(folder: Path) -> Path:
    """A certificate of its own making, for Slack's name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    return folder / "cert.pem"
