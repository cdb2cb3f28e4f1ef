"""`/metrics`: every documented name, counted once a transaction is committed, and only then."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.control.counting import counting
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from tests.support.rig import Rig, agent, autopilot, schedule, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

NAMES = {
    "reconciler_runs_total", "reconciler_schedule_lag_seconds", "reconciler_due_triggers",
    "reconciler_tick_seconds", "reconciler_webhook_requests_total", "reconciler_webhook_seconds",
    "reconciler_queue_depth", "reconciler_runs_waiting", "reconciler_dispatch_seconds",
    "reconciler_reconcile_total",
    "reconciler_reconcile_seconds", "reconciler_applied_revision_info", "reconciler_breaker_open",
    "reconciler_clock_jumps_total", "reconciler_gen_ai_usage_tokens_total",
    "reconciler_gen_ai_usage_cost_usd_total",
}  # fmt: skip


def read(ask: Ask) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    answer = ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(v for _, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture(autouse=True)
def _counted(web: Web) -> None:
    """What the system does is counted."""
    web.rig.database.observe = counting(web.context.metrics)


def test_every_documented_name_is_there(ask: Ask) -> None:
    text = ask("GET", "/metrics").text
    for name in NAMES:
        assert f"# TYPE {name} " in text or f"# TYPE {name.removesuffix('_total')} " in text, name


def test_runs_are_counted_by_their_end(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    first = rig.launch()
    rig.launch()
    rig.end(first, Failed(Reason.AGENT_FAILED, "no"))
    rig.end(first, Failed(Reason.AGENT_FAILED, "no"))
    rig.tick(minutes=1)
    rig.round()
    (held,) = rig.claim()
    rig.complete(held)
    samples = read(ask)
    ended = {labels: n for (name, labels), n in samples.items() if name == "reconciler_runs_total"}
    assert ended == {
        ("overlap", "manual", "skipped"): 1,
        ("agent_failed", "manual", "failed"): 1,
        ("", "schedule", "completed"): 1,
    }
    assert samples[("reconciler_dispatch_seconds_count", ())] == 1


def test_archiving_counts_the_runs_that_it_cancels(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", concurrencyPolicy="queue"))
    rig.launch()
    rig.launch()
    rig.apply(agent())
    assert read(ask)[("reconciler_runs_total", ("cancelled", "manual", "failed"))] == 1


def test_what_is_undone_is_not_counted(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()

    def doomed(tx: object) -> None:
        from reconciler.control.runs.ending import finish
        from tests.support.rig import COOLDOWN

        finish(tx, run, Completed(1), rig.clock.now(), cooldown=COOLDOWN)  # type: ignore[arg-type]
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        rig.database.write(doomed)
    assert not [key for key in read(ask) if key[0] == "reconciler_runs_total"]


def test_gauges_tell_of_now(rig: Rig, ask: Ask) -> None:
    rig.apply(
        agent(), autopilot("triage", schedule(), concurrencyPolicy="queue", pauseAfterFailures=1)
    )
    rig.launch()
    rig.launch()
    rig.clock.advance(minutes=5)
    samples = read(ask)
    assert samples[("reconciler_queue_depth", ())] == 1
    assert samples[("reconciler_runs_waiting", ("queue",))] == 1
    assert samples[("reconciler_runs_waiting", ("quota",))] == 0
    assert samples[("reconciler_due_triggers", ())] == 1
    assert samples[("reconciler_breaker_open", ())] == 0
    assert samples[("reconciler_applied_revision_info", ("sha256:1", "default"))] == 1
    rig.end(rig.runs()[0], Failed(Reason.AGENT_FAILED, "no"))
    rig.apply(agent(), autopilot("triage", pauseAfterFailures=1, title="Other"))
    samples = read(ask)
    assert samples[("reconciler_applied_revision_info", ("sha256:2", "default"))] == 1
    assert ("reconciler_applied_revision_info", ("sha256:1", "default")) not in samples


def test_webhooks_are_counted_by_their_answer(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    ask("POST", "/v1/webhooks/guessed")
    ask("GET", "/v1/webhooks/guessed")
    samples = read(ask)
    assert samples[("reconciler_webhook_requests_total", ("404",))] == 1
    assert samples[("reconciler_webhook_requests_total", ("405",))] == 1
    assert samples[("reconciler_webhook_seconds_count", ())] == 2


def test_the_lag_is_counted_from_the_moment_that_jitter_gives(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *", jitter="10m")))
    due = rig.triggers()["clock"].next_run_at
    assert due is not None
    ticked = rig.tick(seconds=(due - rig.clock.now()).total_seconds() + 7)
    assert ticked.lags == [7.0]


def test_what_runs_used_is_counted_by_model(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage"))
    usage = Usage(
        cost_micros=500_000, input_tokens=100, cached_tokens=40, output_tokens=7, model="opus"
    )
    rig.end(rig.launch(), Completed("x", usage))
    rig.end(rig.launch(), Completed("x", Usage(cost_micros=250_000)))
    samples = read(ask)
    tokens = "reconciler_gen_ai_usage_tokens_total"
    assert [samples[tokens, ("opus", kind)] for kind in ("input", "cached", "output")] == [
        60,
        40,
        7,
    ]
    cost = "reconciler_gen_ai_usage_cost_usd_total"
    assert [samples[cost, (model,)] for model in ("opus", "unknown")] == [0.5, 0.25]


def test_agents_that_name_ever_other_models_add_no_end_of_labels(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage"))
    for number in range(60):
        rig.end(rig.launch(), Completed("x", Usage(turns=1, cost_micros=1, model=f"m{number}")))
    models = {labels[0] for name, labels in read(ask) if name.endswith("cost_usd_total")}
    assert len(models) == 51
    assert "other" in models
