"""oidc-provider (npm) on loopback: a real issuer of JWTs, with the claims of GitHub's and GitLab's.

What is real: discovery, JWKS, keys, signatures, times, audience, the request for a token. What a
test chooses: the claims that a CI knows of its job, and which keys there are.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from tests.support.missing import missing
from tests.support.process import die_with_parent

AUDIENCE = "reconciler"
RSA = {"kid": "rsa", "kty": "RSA"}
"""There is always one, as the provider wants for what it signs by default."""
KEYS = (
    RSA,
    {"kid": "elliptic", "kty": "EC", "crv": "P-256"},
    {"kid": "edwards", "kty": "OKP"},
)

GITHUB = {
    "repository": "acme/automations",
    "repository_owner": "acme",
    "ref": "refs/heads/main",
    "ref_type": "branch",
    "event_name": "push",
    "actor": "ada",
    "runner_environment": "github-hosted",
}
"""A push to main in GitHub Actions."""
GITLAB = {
    "project_path": "acme/automations",
    "namespace_path": "acme",
    "ref": "main",
    "ref_type": "branch",
    "ref_path": "refs/heads/main",
    "ref_protected": "true",
    "pipeline_source": "push",
    "user_login": "ada",
}
"""A push to main in a pipeline of GitLab."""


@dataclass
class Provider:
    """A running issuer, and a second one below `/ci/`, whose identifier ends in a slash."""

    url: str
    client: httpx.Client

    @property
    def below(self) -> str:
        """The identifier of the second issuer."""
        return f"{self.url}/ci/"

    def change(self, **state: Any) -> None:
        """`keys`: publish new keys and no others; `down`: end every connection unanswered."""
        self.client.put(f"{self.url}/control", json=state).raise_for_status()

    def token(
        self,
        claims: dict[str, str],
        *,
        issuer: str | None = None,
        audience: str = AUDIENCE,
        algorithm: str = "RS256",
    ) -> str:
        """A token that the issuer makes for a job with these claims, valid for five minutes."""
        address = f"{(issuer or self.url).rstrip('/')}/token"
        job = {"client_id": "job", "client_secret": "of-the-job", "resource": "urn:reconciler"}
        wishes = {"x-claims": json.dumps(claims), "x-audience": audience, "x-algorithm": algorithm}
        form = {"grant_type": "client_credentials", **job}
        answer = self.client.post(address, data=form, headers=wishes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@contextmanager
def provider() -> Iterator[Provider]:
    """Two issuers in one process, with `KEYS` of their own. It ends when its input does."""
    node = shutil.which("node") or missing("node (npm)")
    script = Path(__file__).with_suffix(".mjs")
    process = subprocess.Popen(
        [node, str(script), str(_module())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    assert process.stdout is not None
    with process, httpx.Client(timeout=60, trust_env=False) as client:
        try:
            port = int(process.stdout.readline())
            running = Provider(f"http://127.0.0.1:{port}", client)
            running.change(keys=KEYS)
            yield running
        finally:
            process.kill()


@lru_cache(maxsize=1)
def _module() -> Path:
    """The entry file of the package, among those that npm installed for the whole machine."""
    npm = shutil.which("npm") or missing("npm")
    command = [npm, "root", "--global"]
    root = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    entry = Path(root.strip()) / "oidc-provider/lib/index.js"
    return entry if entry.is_file() else missing("oidc-provider (npm)")
