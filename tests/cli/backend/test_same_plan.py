"""Whatever manifests say, a server plans them to the byte as the command does with its database."""

import json
import shutil

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings

from reconciler.core.manifest.state import Desired
from tests.support.cli import Cli
from tests.support.process import site
from tests.support.strategies import desired_sets

BROKEN = st.sampled_from(["", "a: [", "kind: Agent", "- 1\n- 2", "\x00", "é\n", "apiVersion: x"])


@pytest.mark.hypothesis
def test_json_is_the_same_for_any_source(cli: Cli) -> None:
    database = f"sqlite:///{cli.database}"
    with site(cli.folder, database) as place:
        place.follows = ()
        server = place.serve().url

        @given(desired_sets(), st.lists(BROKEN, max_size=2))
        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def each(desired: Desired, broken: list[str]) -> None:
            folder = cli.folder / "autopilots"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for number, declared in enumerate(desired.objects.values()):
                (folder / f"{number}.json").write_text(json.dumps(declared.document))
            for number, text in enumerate(broken):
                (folder / f"broken-{number}.yaml").write_text(text)
            words = ("plan", "autopilots", "-o", "json", "--detailed-exitcode")
            first = cli(*words, "--database", database)
            remote = cli(*words, "--server", server)
            # Fire times move on at the turn of a minute: then there is nothing to compare with.
            assume(cli(*words, "--database", database) == first)
            assert remote == first
            if not broken and desired.objects:
                cli("apply", "autopilots", "--yes", "--server", server)

        each()
