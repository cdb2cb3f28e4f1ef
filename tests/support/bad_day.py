"""A bad day: two hundred autopilots, ten of which are in ten kinds of trouble."""

from reconciler.control.runs import switches
from reconciler.core.base.identity import Revision
from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.vandal import scribble

BY_ADA = Revision("ada0" * 10, author="Ada Lovelace", subject="Triage with the new model")
BY_GRACE = Revision("9ace" * 10, author="Grace Hopper", subject="Shorter timeouts")
TROUBLES = {
    "breaker-open": "failing",
    "never-fired": "late",
    "agent-said-no": "degraded",
    "too-slow": "degraded",
    "lost-contact": "degraded",
    "agent-is-gone": "degraded",
    "zone-is-gone": "degraded",
    "always-busy": "degraded",
    "server-was-down": "degraded",
    "secret-is-gone": "degraded",
}
"""The name and the health of each."""
ENDS = {
    "agent-said-no": Failed(Reason.AGENT_FAILED, "exit status 1: the label 'bug' does not exist"),
    "too-slow": Failed(Reason.TIMED_OUT, "it ran for longer than 90m"),
    "lost-contact": Failed(Reason.LOST, "the worker was not heard of for 60s"),
    "agent-is-gone": Failed(Reason.DISPATCH_FAILED, "http://127.0.0.1:9100 refused the connection"),
}
SECRET = {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__GONE"}]}


def bad_day(rig: Rig, healthy: int = 190) -> None:
    """Bring it about: yesterday all was well, then two people changed something."""
    names = [f"well-{number:03}" for number in range(healthy)]
    hourly = [autopilot(name, schedule("0 * * * *"), title=f"Chore {name}") for name in names]
    rig.apply(agent(), *hourly, *_sick(before=True), revision=BY_GRACE)
    rig.clock.advance(minutes=70)
    rig.tick()
    for name in (*names, "always-busy", "zone-is-gone"):
        rig.end(rig.runs(name)[-1], Completed("nothing new"))
    for name in (*names[:20], *ENDS, "breaker-open", "always-busy"):
        rig.end(rig.launch(name), Completed("42 issues labelled"))
    rig.apply(agent(), *hourly, *_sick(before=False), revision=BY_ADA)
    scribble(rig, "trigger", "timezone", "Mars/Olympus", "on-mars")
    rig.clock.advance(hours=3)
    rig.tick()
    for name in names:
        rig.end(rig.runs(name)[-1], Completed("nothing new"))
    for name, outcome in ENDS.items():
        rig.end(rig.launch(name), outcome)
    for _ in range(3):
        rig.end(rig.launch("breaker-open"), Failed(Reason.AGENT_FAILED, "no such model: opus-9"))
    rig.launch("always-busy", force=True)
    for _ in range(4):
        rig.tick(minutes=10)
    rig.database.write(
        lambda tx: switches.pause(tx, id_of("on-holiday"), "ada", "holidays", rig.clock.now())
    )
    rig.clock.advance(minutes=3)


def _sick(*, before: bool) -> list[Document]:
    what = "before" if before else "after"
    return [
        autopilot(
            "breaker-open", title="Review pull requests", description=what, pauseAfterFailures=3
        ),
        autopilot("never-fired", schedule("51 12 * * *"), title="Check the certificates"),
        *(autopilot(name, title="Label issues", description=what) for name in ENDS),
        autopilot("zone-is-gone", schedule("0 * * * *", "on-mars"), title="Weather on Mars"),
        autopilot("always-busy", schedule("*/10 * * * *"), title="Sort the mail", description=what),
        autopilot("server-was-down", schedule("5 * * * *", catchUp="none"), title="Back up"),
        autopilot("secret-is-gone", webhook("ci", signature=SECRET), title="Explain broken builds"),
        autopilot("on-holiday", schedule("0 8 * * *"), title="Morning report"),
    ]
