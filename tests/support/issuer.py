"""An OIDC issuer on loopback: its configuration, its keys, and tokens signed with them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE = "reconciler"


@dataclass
class Issuer:
    """What the server answers can be changed at any time: `keys`, `broken`."""

    url: str = ""
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    broken: bool = False
    asked: int = 0
    hold: threading.Event = field(default_factory=threading.Event)
    """Nothing is answered until it is set, which it is from the beginning."""

    def rotate(self, key_id: str) -> None:
        """Publish one new key and no other."""
        self.keys = {key_id: ec.generate_private_key(ec.SECP256R1())}

    def token(self, now: datetime, *, key_id: str | None = None, **claims: Any) -> str:
        """A token that is valid for five minutes, unless the test says otherwise."""
        name = key_id or next(iter(self.keys))
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
            "sub": "repo:acme/automations:ref:refs/heads/main",
            "repository": "acme/automations",
            "ref": "refs/heads/main",
            "event_name": "push",
            **claims,
        }
        wanted = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(wanted, self.keys[name], algorithm="ES256", headers={"kid": name})

    def answer(self, path: str) -> dict[str, Any] | None:
        """The two documents of an issuer."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            return {"keys": [_published(name, key) for name, key in self.keys.items()]}
        return None


def _published(name: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name("ES256")
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return {**found, "kid": name, "use": "sig", "alg": "ES256"}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """A running issuer."""
    issuer = Issuer()
    issuer.hold.set()
    issuer.rotate("first")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            issuer.hold.wait(60)
            found = None if issuer.broken else issuer.answer(self.path)
            body = json.dumps(found).encode()
            self.send_response(200 if found is not None else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
