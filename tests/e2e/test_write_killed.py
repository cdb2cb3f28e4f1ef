"""`kill -9` of a server that writes manifests: files are whole, and what was answered stays."""

import random
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.support import patient
from tests.support.eventually import eventually
from tests.support.process import Serving, Site, passes
from tests.support.rig import id_of
from tests.support.yaml_styles import AGENT

TEXT = """\
# Ours.
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec:
  title: 'Title 0'   # counted
  assignee: {type: agent, id: bot}
"""


@dataclass
class Author:
    """Gives the autopilot one title after the other until the server is gone."""

    server: Serving
    number: int
    asked: int = field(init=False)
    answered: int = field(init=False)

    def __post_init__(self) -> None:
        self.asked = self.answered = self.number

    def has_written(self) -> bool:
        """Whether a request was answered."""
        return self.answered > self.number

    def write(self) -> None:
        """Until a request fails."""
        url = f"{self.server.url}/v1/autopilots/{id_of('triage')}"
        with suppress(httpx.TransportError), patient.Client() as client:
            while True:
                read = client.get(url)
                wanted = read.json()
                self.asked += 1
                wanted["spec"]["title"] = f"Title {self.asked}"
                answer = client.put(url, json=wanted, headers={"If-Match": read.headers["etag"]})
                assert answer.status_code == 200, answer.text
                self.answered = self.asked


def test_a_killed_writer_leaves_whole_files_and_keeps_what_it_answered(sqlite_site: Site) -> None:
    site, seed = sqlite_site, random.Random(7)
    site.manifests.mkdir()
    file = site.manifests / "triage.yaml"
    file.write_text(TEXT)
    (site.manifests / "agents.yaml").write_bytes(AGENT)
    number = 0
    for _ in range(3):
        server = site.serve(RECONCILER_WRITE_POLICY="files")
        author = Author(server, number)
        thread = threading.Thread(target=author.write)
        thread.start()
        eventually(author.has_written)
        passes(seed.uniform(0.0, 0.5))
        server.kill()
        thread.join(60)
        titles = {n: TEXT.replace("Title 0", f"Title {n}") for n in (author.answered, author.asked)}
        number = next(n for n, text in titles.items() if text == file.read_text())
        assert site.cli("validate", str(site.manifests)).returncode == 0
    server = site.serve(RECONCILER_WRITE_POLICY="files")
    shown = patient.get(f"{server.url}/v1/autopilots/{id_of('triage')}").json()
    assert shown["spec"]["title"] == f"Title {number}"
