"""The sender empties the outbox: at least once, held back, retried, and never in anybody's way."""

import asyncio
from datetime import timedelta

import pytest
import standardwebhooks

from reconciler.control.notify.log_channel import LogChannel
from reconciler.control.notify.resending import resend
from reconciler.control.notify.sender import Sender, send_once, stop_sending
from reconciler.core.base.errors import Conflict
from reconciler.core.notify.again import GIVE_UP_AFTER
from reconciler.core.notify.entry import Entry
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import attempts_of
from reconciler.store.notify.queue import claim_entries
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.hooks import HookServer
from tests.support.notifying import SECRET, outbox, send, settle_batches, tells, webhook_to
from tests.support.rig import Rig, agent, autopilot

BROKEN = Failed(Reason.AGENT_FAILED, "it went wrong")


def declare(rig: Rig, *names: str, to: str = "oncall") -> None:
    """Autopilots that tell a channel of everything."""
    rig.apply(agent(), *(autopilot(name, notify=[tells(to=to)]) for name in names or ("triage",)))


def fail(rig: Rig, name: str = "triage") -> str:
    """A run that fails, a second after the one before it."""
    rig.clock.advance(seconds=1)
    run = rig.launch(name)
    rig.end(run, BROKEN)
    return run.id


def statuses(rig: Rig) -> list[str]:
    """How far each entry has come, oldest first."""
    return [entry.status.value for entry in outbox(rig)]


def test_a_webhook_is_signed_by_standard_webhooks_and_says_what_happened(
    rig: Rig, hook: HookServer
) -> None:
    declare(rig)
    run_id = fail(rig)
    send(rig, {"oncall": webhook_to(hook)})
    (post,) = hook.posted
    (entry,) = outbox(rig)
    assert entry.status == "sent"
    event = standardwebhooks.Webhook(SECRET).verify(post.body.decode(), dict(post.headers))
    assert post.headers["webhook-id"] == entry.id
    assert event["type"] == "run.failed"
    assert event["timestamp"].endswith("Z")
    assert event["data"]["autopilot"] == "triage"
    assert event["data"]["run"]["id"] == run_id
    assert event["data"]["run"]["failureReason"] == "it went wrong"
    assert event["data"]["run"]["url"] == f"http://console/runs/{run_id}"


def test_what_was_sent_is_not_sent_again(rig: Rig, hook: HookServer) -> None:
    declare(rig)
    fail(rig)
    send(rig, {"oncall": webhook_to(hook)}, rounds=3)
    rig.clock.advance(hours=1)
    send(rig, {"oncall": webhook_to(hook)})
    assert len(hook.posted) == 1


def test_what_failed_is_tried_again_with_the_same_id_until_it_arrives(
    rig: Rig, hook: HookServer
) -> None:
    declare(rig)
    fail(rig)
    hook.status = 500
    send(rig, {"oncall": webhook_to(hook)}, rounds=2)
    assert len(hook.posted) == 1, "it waits before it tries again"
    rig.clock.advance(seconds=6)
    hook.status = 204
    send(rig, {"oncall": webhook_to(hook)})
    first, second = hook.posted
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    (entry,) = outbox(rig)
    attempts = rig.database.read(lambda tx: attempts_of(tx, entry.id))
    assert [(a.result, a.detail) for a in attempts] == [
        ("failed", "the receiver answered 500"),
        ("sent", ""),
    ]


def test_what_cannot_be_sent_for_a_day_is_dead(rig: Rig, hook: HookServer) -> None:
    declare(rig)
    fail(rig)
    hook.status = 500
    send(rig, {"oncall": webhook_to(hook)})
    rig.clock.advance(hours=23, minutes=59)
    send(rig, {"oncall": webhook_to(hook)})
    assert statuses(rig) == ["pending"]
    rig.clock.advance(minutes=2)
    send(rig, {"oncall": webhook_to(hook)})
    assert statuses(rig) == ["dead"]
    (entry,) = outbox(rig)
    assert entry.ended_at is not None
    assert GIVE_UP_AFTER <= entry.ended_at - entry.created_at <= GIVE_UP_AFTER * 1.02
    assert entry.last_error == "the receiver answered 500"


def test_what_was_given_up_is_sent_again_where_somebody_asks_and_for_another_day(
    rig: Rig, hook: HookServer
) -> None:
    declare(rig)
    fail(rig)
    hook.status = 503

    def give_up() -> Entry:
        rig.clock.advance(seconds=GIVE_UP_AFTER.total_seconds())
        send(rig, {"oncall": webhook_to(hook)})
        (entry,) = outbox(rig)
        assert entry.status == "dead"
        return entry

    def send_again(entry_id: str) -> Entry:
        return rig.database.write(lambda tx: resend(tx, entry_id, "ada", rig.clock.now()))

    dead = give_up()
    again = send_again(dead.id)
    assert (again.status, again.due_at, again.ended_at) == ("pending", rig.clock.now(), None)
    send(rig, {"oncall": webhook_to(hook)})
    assert statuses(rig) == ["pending"]
    send_again(give_up().id)
    hook.status = 204
    send(rig, {"oncall": webhook_to(hook)})
    assert statuses(rig) == ["sent"]
    assert {post.headers["webhook-id"] for post in hook.posted} == {dead.id}
    log = rig.database.read(lambda tx: attempts_of(tx, dead.id))
    asked = ("resent", "asked for by ada")
    refused = ("failed", "the receiver answered 503")
    assert [(str(each.result), each.detail) for each in log] == [
        refused, asked, refused, refused, asked, ("sent", ""),
    ]  # fmt: skip
    with pytest.raises(Conflict, match="is sent; only dead ones are sent again"):
        send_again(dead.id)


def test_many_of_one_kind_are_one_message_in_five_minutes_that_says_how_many(
    rig: Rig, hook: HookServer
) -> None:
    declare(rig)
    channels = {"oncall": webhook_to(hook)}
    fail(rig)
    send(rig, channels)
    last = [fail(rig) for _ in range(3)][-1]
    send(rig, channels)
    assert len(hook.posted) == 1
    rig.clock.advance(minutes=5)
    send(rig, channels)
    assert len(hook.posted) == 2
    assert hook.posted[1].json["data"]["heldBack"] == 2
    assert hook.posted[1].json["data"]["run"]["id"] == last, "the newest is shown"
    assert sorted(statuses(rig)) == ["held_back"] * 2 + ["sent"] * 2


def test_other_kinds_and_other_autopilots_are_not_held_back(rig: Rig, hook: HookServer) -> None:
    declare(rig, "a", "b")
    fail(rig, "a")
    fail(rig, "b")
    run = rig.launch("a")
    rig.end(run, Completed("done"))
    send(rig, {"oncall": webhook_to(hook)}, rounds=2)
    assert sorted((p.json["data"]["autopilot"], p.json["type"]) for p in hook.posted) == [
        ("a", "autopilot.recovered"),
        ("a", "run.failed"),
        ("b", "run.failed"),
    ]


def test_a_server_that_died_while_it_sent_leaves_a_lease_and_the_repeat_says_so(
    rig: Rig, hook: HookServer
) -> None:
    declare(rig)
    fail(rig)

    def claim_and_die(tx: Tx) -> None:
        now = rig.clock.now()
        assert claim_entries(tx, "oncall", "the dead", now, now + timedelta(seconds=30), 10)

    rig.database.write(claim_and_die)
    send(rig, {"oncall": webhook_to(hook)})
    assert hook.posted == [], "somebody may be sending it"
    rig.clock.advance(seconds=31)
    send(rig, {"oncall": webhook_to(hook)})
    (entry,) = outbox(rig)
    assert hook.ids() == [entry.id]
    assert entry.attempts == 2
    attempts = rig.database.read(lambda tx: attempts_of(tx, entry.id))
    assert [(a.result, a.server) for a in attempts] == [("unknown", "the dead"), ("sent", "here")]


def test_two_senders_do_not_send_the_same(rig: Rig, hook: HookServer) -> None:
    names = [f"a{number}" for number in range(20)]
    declare(rig, *names)
    for name in names:
        fail(rig, name)

    async def both() -> None:
        senders = [
            Sender(rig.database, {"oncall": webhook_to(hook)}, owner, "http://console")
            for owner in ("one", "two")
        ]
        for _ in range(3):
            await asyncio.gather(*(send_once(sender) for sender in senders))
            await asyncio.gather(*(settle_batches(sender) for sender in senders))
        for sender in senders:
            await stop_sending(sender)

    asyncio.run(both())
    assert sorted(hook.ids()) == sorted(entry.id for entry in outbox(rig))


def test_a_channel_that_hangs_delays_no_other_and_no_run(rig: Rig, hook: HookServer) -> None:
    rig.apply(
        agent(),
        autopilot("slow", notify=[tells(to="hanging")]),
        autopilot("quick", notify=[tells(to="log")]),
    )
    fail(rig, "slow")
    fail(rig, "quick")
    hook.hangs = True

    async def run() -> None:
        sender = Sender(
            rig.database,
            {"hanging": webhook_to(hook), "log": LogChannel()},
            "here",
            "http://console",
        )
        await send_once(sender)

        async def told() -> bool:
            return {e.status.value for e in outbox(rig, channel="log")} == {"sent"}

        await eventually_async(told)
        assert await asyncio.to_thread(hook.arrived.wait, PATIENCE)
        assert "hanging" in sender.tasks
        await asyncio.to_thread(fail, rig, "quick")
        await stop_sending(sender)

    asyncio.run(run())
    (entry,) = outbox(rig, channel="hanging")
    assert entry.status == "pending"
    attempts = rig.database.read(lambda tx: attempts_of(tx, entry.id))
    assert [a.result for a in attempts] == ["unknown"], "it was begun, so it may have arrived"


def test_a_channel_that_is_gone_costs_one_attempt_and_not_one_for_each_message(rig: Rig) -> None:
    names = [f"a{number}" for number in range(5)]
    declare(rig, *names)
    for name in names:
        fail(rig, name)
    send(rig, {})
    assert not any(entry.attempts for entry in outbox(rig)), "another server may know the channel"
    rig.clock.advance(minutes=2)
    send(rig, {}, rounds=3)
    entries = outbox(rig)
    assert sorted(entry.attempts for entry in entries) == [0, 0, 0, 0, 1]
    assert all(entry.due_at > rig.clock.now() for entry in entries)
    (error,) = {entry.last_error for entry in entries if entry.last_error}
    assert error == "the settings of this server have no channel 'oncall'"


@pytest.mark.parametrize("status", [301, 404, 410])
def test_a_receiver_that_refuses_one_message_gets_the_others(
    rig: Rig, hook: HookServer, status: int
) -> None:
    names = [f"a{number}" for number in range(12)]
    declare(rig, *names)
    for name in names:
        fail(rig, name)
    hook.answer = lambda post: status if post.json["data"]["autopilot"] == "a3" else 204
    send(rig, {"oncall": webhook_to(hook)})
    assert sorted(statuses(rig)) == ["pending", *["sent"] * 11]
