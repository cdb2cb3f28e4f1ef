"""Prometheus and its Alertmanager, as processes on loopback that watch one server."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support import patient
from tests.support.eventually import eventually
from tests.support.missing import missing
from tests.support.ports import free_port
from tests.support.process import die_with_parent

WITHIN = 60.0


@dataclass
class Watching:
    """A running Prometheus."""

    url: str

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes: `health` and `lastError` of each."""
        answer = patient.get(f"{self.url}/api/v1/targets").json()
        active: list[dict[str, Any]] = answer["data"]["activeTargets"]
        return active

    def value(self, query: str) -> float | None:
        """The value of a query with one answer, as of now."""
        answer = patient.get(f"{self.url}/api/v1/query", params={"query": query}).json()
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None


@contextmanager
def watched(
    folder: Path, target: str, token: str, rule: dict[str, Any], receiver: dict[str, Any]
) -> Iterator[Watching]:
    """Scrape `target` (host and port) with a bearer token each second; send what fires.

    `rule` is one alerting rule, `receiver` a `webhook_configs` of Alertmanager.
    """
    port, other = free_port(), free_port()
    scrape = {
        "job_name": "reconciler",
        "static_configs": [{"targets": [target]}],
        "authorization": {"credentials": token},
    }
    prometheus = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "200ms"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [scrape],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{other}"]}]}]},
    }
    alertmanager = {
        "route": {"receiver": "reconciler", "group_wait": "100ms"},
        "receivers": [{"name": "reconciler", "webhook_configs": [receiver]}],
    }
    _write(folder / "rules.yaml", {"groups": [{"name": "rules", "rules": [rule]}]})
    _write(folder / "prometheus.yaml", prometheus)
    _write(folder / "alertmanager.yaml", alertmanager)
    alerting = [
        *("--config.file=alertmanager.yaml", "--storage.path=alerts", "--cluster.listen-address="),
        f"--web.listen-address=127.0.0.1:{other}",
    ]
    scraping = [
        *("--config.file=prometheus.yaml", "--storage.tsdb.path=series"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        _process(folder, "prometheus-alertmanager", alerting, other),
        _process(folder, "prometheus", scraping, port),
    ):
        yield Watching(f"http://127.0.0.1:{port}")


@contextmanager
def _process(folder: Path, name: str, options: list[str], port: int) -> Iterator[None]:
    program = shutil.which(name) or missing(name)
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *options],
            cwd=folder,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200
        return False

    try:
        eventually(ready, WITHIN)
        yield
    finally:
        process.kill()
        process.wait(10)


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document))
