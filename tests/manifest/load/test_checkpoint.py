"""A load can be stopped: between files, and within a huge one."""

import pytest

from reconciler.manifest.load.load import load_bundle

AGENT = b"""\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: %b}
spec: {runtime: {type: worker}}
"""


class Stopped(Exception):
    pass


class Stop:
    """Raises at the n-th call."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls >= self.at:
            raise Stopped


def test_a_load_stops_before_the_next_file() -> None:
    files = {f"{n}.yaml": AGENT % (b"bot-%d" % n) for n in range(50)}
    whole = Stop(at=10**9)
    load_bundle(files, source_id="s", checkpoint=whole)
    assert whole.calls >= 50
    with pytest.raises(Stopped):
        load_bundle(files, source_id="s", checkpoint=Stop(at=3))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(AGENT % b"bot" + b"".join(b"k%d: 1\n" % n for n in range(8_000)), id="keys"),
        pytest.param(b"---\na\n" * 8_000, id="documents"),
        pytest.param(b"- " * 90 + b"\n" + b"- x\n" * 8_000, id="a list"),
        pytest.param(b"---\n".join(AGENT % b"bot" for _ in range(2000)), id="one name often"),
    ],
)
def test_a_load_stops_within_a_huge_file(text: bytes) -> None:
    whole = Stop(at=10**9)
    with pytest.raises(Exception, match="found"):
        load_bundle({"a.yaml": text}, source_id="s", checkpoint=whole)
    assert whole.calls > 5
    for at in (1, whole.calls // 2, whole.calls):
        with pytest.raises(Stopped):
            load_bundle({"a.yaml": text}, source_id="s", checkpoint=Stop(at=at))
