"""The bodies that docs/workers.md shows are those that the API takes and gives."""

import json

from reconciler.web.api.workers import BeatOrder, BeatView, ClaimedView, ClaimOrder, EndOrder
from reconciler.web.models.run import RunView
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs/workers.md"
CLAIM, CLAIMED, BEAT, BEATEN, END = (json.loads(block.text) for block in blocks(PAGE, "json"))


def names(model: type) -> set[str]:
    return {str(field.alias or name) for name, field in model.model_fields.items()}  # type: ignore[attr-defined]


def test_what_a_worker_sends_is_taken() -> None:
    assert ClaimOrder.model_validate(CLAIM).agents == ("gpu-pool",)
    BeatOrder.model_validate(BEAT)
    assert EndOrder.model_validate(END).usage is not None
    assert {*CLAIM} == names(ClaimOrder)
    assert {*END} == names(EndOrder)


def test_what_a_worker_gets_has_these_names() -> None:
    (item,) = CLAIMED["items"]
    assert {*item} == names(ClaimedView)
    assert {*item["run"]} <= names(RunView)
    assert {*BEATEN} == names(BeatView)
