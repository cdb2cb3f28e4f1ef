"""A simulation as text for people, and as a section for the comment of a pull request."""

from collections.abc import Iterator, Sequence

from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.rendering.table import table
from reconciler.core.manifest.fields import format_instant
from reconciler.core.schedule.simulation_report import (
    JudgedDelivery,
    Simulation,
    reasons,
    summary_sentence,
)

_COLUMNS = ("AUTOPILOT", "WOULD START", "STARTED", "WOULD NOT START", "DID NOT START")
MOST_SHOWN = 20
"""Deliveries of each kind, and autopilots of a comment; JSON has them all."""


def simulation_text(simulation: Simulation) -> str:
    """The sentence, a row for each autopilot, what deliveries would fare otherwise."""
    return "\n".join(_lines(simulation))


def _lines(simulation: Simulation) -> Iterator[str]:
    period = simulation.period
    yield f"from {format_instant(period.since)} to {format_instant(period.until)}:"
    yield summary_sentence(simulation)
    if simulation.autopilots:
        yield table(_COLUMNS, _rows(simulation))
    if simulation.evaluated or simulation.unevaluated:
        yield _evaluated(simulation)
    for title, deliveries in _judged(simulation):
        yield title
        yield from (f"  {_delivery(delivery)}" for delivery in deliveries[:MOST_SHOWN])
        if len(deliveries) > MOST_SHOWN:
            yield f"  … and {len(deliveries) - MOST_SHOWN:,} more"
    yield "assumed:"
    yield from (f"  - {assumption}" for assumption in simulation.assumptions)
    if simulation.cut is not None:
        yield f"cut: {simulation.cut}"


def _rows(simulation: Simulation) -> Iterator[tuple[str, ...]]:
    for compared in simulation.autopilots:
        name = f"{compared.workspace}/{compared.name}"
        yield (
            name if compared.planned else f"{name} (gone)",
            f"{compared.would.started:,}",
            f"{compared.happened.started:,}",
            reasons(compared.would.not_started) or "-",
            reasons(compared.happened.not_started) or "-",
        )


def _evaluated(simulation: Simulation) -> str:
    text = f"{simulation.evaluated:,} stored deliveries were evaluated"
    if simulation.unevaluated:
        text += (
            f"; {simulation.unevaluated:,} could not be: they count as they were "
            "(a body is no longer kept, or the time was up)"
        )
    return text


def _judged(simulation: Simulation) -> Iterator[tuple[str, Sequence[JudgedDelivery]]]:
    if simulation.missed:
        yield (
            f"deliveries that it would have missed ({len(simulation.missed):,}):",
            simulation.missed,
        )
    if simulation.gained:
        yield (
            f"deliveries that it would also have taken ({len(simulation.gained):,}):",
            simulation.gained,
        )


def _delivery(delivery: JudgedDelivery) -> str:
    event = f" {delivery.event}" if delivery.event else ""
    at = format_instant(delivery.at)
    return one_line(f"{at} {delivery.place} {delivery.id}{event}: {delivery.why}")


def simulation_markdown(simulation: Simulation) -> str:
    """A section that can follow a plan: a summary line, and one collapsible part."""
    period = simulation.period
    since, until = format_instant(period.since), format_instant(period.until)
    shown = list(_rows(simulation))[:MOST_SHOWN]
    lines = [
        "### What it would have done",
        "",
        f"**{summary_sentence(simulation)}** From {since} to {until}.",
        "",
        "<details><summary>Autopilots and deliveries</summary>",
        "",
        "| autopilot | would start | started | would not start | did not start |",
        "| --- | ---: | ---: | --- | --- |",
        *(f"| {' | '.join(map(_cell, row))} |" for row in shown),
    ]
    if len(simulation.autopilots) > MOST_SHOWN:
        lines.append(f"| and {len(simulation.autopilots) - MOST_SHOWN:,} more | | | | |")
    if simulation.evaluated or simulation.unevaluated:
        lines += ["", f"{_evaluated(simulation)}."]
    for title, deliveries in _judged(simulation):
        lines += ["", f"{title[0].upper()}{title[1:]}", ""]
        lines += [f"- {_cell(_delivery(delivery))}" for delivery in deliveries[:MOST_SHOWN]]
        if len(deliveries) > MOST_SHOWN:
            lines.append(f"- … and {len(deliveries) - MOST_SHOWN:,} more")
    lines += ["", "Assumed:", "", *(f"- {assumption}" for assumption in simulation.assumptions)]
    if simulation.cut is not None:
        lines += ["", f"**Cut**: {simulation.cut}."]
    return "\n".join([*lines, "", "</details>", ""])


def _cell(text: str) -> str:
    """Text of others in a table: no markup, no mention, one line."""
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return safe.replace("@", "@\u200b").replace("`", "'")
