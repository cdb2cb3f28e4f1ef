"""Webhook triggers by token, and the keys by which a delivery is known again."""

from datetime import timedelta

import pytest

from reconciler.store.webhooks.webhooks import (
    SeenKey,
    WebhookTarget,
    find_webhook,
    last_changes,
    seen_keys,
    use_keys,
)
from tests.support.rig import Rig, agent, autopilot, hash_of, schedule, webhook

HOUR = timedelta(hours=1)


def found(rig: Rig, generation: int = 1) -> WebhookTarget | None:
    """The trigger that a token of `hook` opens."""
    trigger = rig.triggers()["hook"].id
    digest, now = hash_of(trigger, generation), rig.clock.now()
    return rig.database.read(lambda tx: find_webhook(tx, digest, now))


class TestTokens:
    def test_a_token_opens_its_trigger(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(), webhook("other")))
        target = found(rig)
        assert target is not None
        assert (target.name, target.document["signature"]["scheme"]) == ("hook", "none")

    def test_the_generation_before_opens_it_while_its_grace_lasts(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook()))
        rig.apply(agent(), autopilot("triage", webhook(tokenGeneration=2, tokenGrace="1h")))
        assert [found(rig, n) is not None for n in (1, 2, 3)] == [True, True, False]
        rig.clock.advance(hours=1)
        assert [found(rig, n) is not None for n in (1, 2)] == [False, True]

    def test_only_the_generation_before_has_grace(self, rig: Rig) -> None:
        for generation in (1, 2, 3):
            rig.apply(agent(), autopilot("triage", webhook(tokenGeneration=generation)))
        assert [found(rig, n) is not None for n in (1, 2, 3)] == [False, True, True]

    def test_a_generation_that_comes_back_is_the_same_url(self, rig: Rig) -> None:
        for generation in (1, 2, 1):
            rig.apply(agent(), autopilot("triage", webhook(tokenGeneration=generation)))
        assert [found(rig, n) is not None for n in (1, 2)] == [True, True]

    def test_a_trigger_of_another_kind_has_none(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook()))
        rig.apply(agent(), autopilot("triage", schedule(name="hook")))
        assert found(rig) is None

    def test_when_it_was_changed(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook()))
        target = found(rig)
        assert target is not None
        read, id_ = rig.database.read, target.trigger_id
        assert read(lambda tx: last_changes(tx, [id_])) == {id_: target.updated_at}
        rig.clock.advance(seconds=1)
        rig.apply(agent(), autopilot("triage", webhook(maxBody="2KiB")))
        assert read(lambda tx: last_changes(tx, [id_]))[id_] > target.updated_at

    def test_what_is_removed_has_changed(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(), webhook("other")))
        target = found(rig)
        assert target is not None
        rig.apply(agent(), autopilot("triage", webhook("other")))
        assert rig.database.read(lambda tx: last_changes(tx, [target.trigger_id])) == {}


class TestKeys:
    @pytest.fixture
    def key(self, rig: Rig) -> SeenKey:
        """A key that was used for an hour."""
        rig.apply(agent(), autopilot())
        run = rig.launch()
        key = SeenKey("scope", "k", "0" * 64, run.id, None, rig.clock.now() + HOUR)
        rig.database.write(lambda tx: use_keys(tx, [key]))
        return key

    def seen(self, rig: Rig, *pairs: tuple[str, str]) -> list[SeenKey]:
        """What is known of these now."""
        now = rig.clock.now()
        return [*rig.database.read(lambda tx: seen_keys(tx, pairs, now)).values()]

    def test_it_is_known_until_it_runs_out(self, rig: Rig, key: SeenKey) -> None:
        assert self.seen(rig, ("scope", "k")) == [key]
        rig.clock.advance(hours=1)
        assert self.seen(rig, ("scope", "k")) == []

    @pytest.mark.parametrize("pair", [("scope", "K"), ("other", "k"), ("k", "scope"), ("", "")])
    def test_it_is_known_by_scope_and_key(
        self, rig: Rig, key: SeenKey, pair: tuple[str, str]
    ) -> None:
        assert self.seen(rig, pair) == []

    def test_nothing_asked_nothing_seen(self, rig: Rig, key: SeenKey) -> None:
        assert self.seen(rig) == []
        rig.database.write(lambda tx: use_keys(tx, []))

    def test_many_at_once(self, rig: Rig, key: SeenKey) -> None:
        pairs = [("scope", f"k{number}") for number in range(600)]
        assert self.seen(rig, *pairs, ("scope", "k"), *pairs) == [key]

    def test_one_that_ran_out_is_used_anew(self, rig: Rig, key: SeenKey) -> None:
        rig.clock.advance(hours=2)
        later = SeenKey("scope", "k", "1" * 64, key.run_id, None, rig.clock.now() + HOUR)
        rig.database.write(lambda tx: use_keys(tx, [later]))
        assert self.seen(rig, ("scope", "k")) == [later]
