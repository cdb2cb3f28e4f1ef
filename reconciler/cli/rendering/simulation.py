"""A simulation as text for people, and as a section for the comment of a pull request."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.cli.rendering.table import table
from reconciler.core.base.safe_text import escaped
from reconciler.core.schedule.simulation_report import reasons

Simulation = Mapping[str, Any]
"""A simulation as `simulation_document` gives it, and a server."""
_COLUMNS = ("AUTOPILOT", "WOULD START", "STARTED", "WOULD NOT START", "DID NOT START")
MOST_SHOWN = 20
"""Deliveries of each kind, and autopilots of a comment; JSON has them all."""


def simulation_text(simulation: Simulation) -> str:
    """The sentence, a row for each autopilot, what deliveries would fare otherwise."""
    return "\n".join(_lines(simulation))


def _lines(simulation: Simulation) -> Iterator[str]:
    yield f"from {simulation['from']} to {simulation['to']}:"
    yield escaped(simulation["summary"])
    if simulation["autopilots"]:
        yield table(_COLUMNS, _rows(simulation))
    yield from _evaluated(simulation)
    for title, deliveries in _judged(simulation):
        yield title
        yield from (f"  {_delivery(delivery)}" for delivery in deliveries[:MOST_SHOWN])
        if len(deliveries) > MOST_SHOWN:
            yield f"  … and {len(deliveries) - MOST_SHOWN:,} more"
    yield "assumed:"
    yield from (escaped(f"  - {assumption}") for assumption in simulation["assumptions"])
    if simulation["cut"] is not None:
        yield escaped(f"cut: {simulation['cut']}")


def _rows(simulation: Simulation) -> Iterator[tuple[str, ...]]:
    for compared in simulation["autopilots"]:
        name = f"{compared['workspace']}/{compared['name']}"
        would, happened = compared["would"], compared["happened"]
        yield (
            name if compared["planned"] else f"{name} (gone)",
            f"{would['started']:,}",
            f"{happened['started']:,}",
            reasons(would["notStarted"]) or "-",
            reasons(happened["notStarted"]) or "-",
        )


def _evaluated(simulation: Simulation) -> Iterator[str]:
    deliveries = simulation["deliveries"]
    evaluated, unevaluated = deliveries["evaluated"], deliveries["unevaluated"]
    if not evaluated and not unevaluated:
        return
    text = f"{evaluated:,} stored deliveries were evaluated"
    if unevaluated:
        text += (
            f"; {unevaluated:,} could not be: they count as they were "
            "(a body is no longer kept, or the time was up)"
        )
    yield text


def _judged(simulation: Simulation) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    missed, gained = simulation["deliveries"]["missed"], simulation["deliveries"]["gained"]
    if missed:
        yield f"deliveries that it would have missed ({len(missed):,}):", missed
    if gained:
        yield f"deliveries that it would also have taken ({len(gained):,}):", gained


def _delivery(delivery: Mapping[str, Any]) -> str:
    event = f" {delivery['event']}" if delivery["event"] else ""
    where = f"{delivery['at']} {delivery['trigger']} {delivery['id']}"
    return escaped(f"{where}{event}: {delivery['why']}")


def simulation_markdown(simulation: Simulation) -> str:
    """A section that can follow a plan: a summary line, and one collapsible part."""
    shown = list(_rows(simulation))[:MOST_SHOWN]
    lines = [
        "### What it would have done",
        "",
        f"**{_cell(simulation['summary'])}** From {simulation['from']} to {simulation['to']}.",
        "",
        "<details><summary>Autopilots and deliveries</summary>",
        "",
        "| autopilot | would start | started | would not start | did not start |",
        "| --- | ---: | ---: | --- | --- |",
        *(f"| {' | '.join(map(_cell, row))} |" for row in shown),
    ]
    if (more := len(simulation["autopilots"]) - MOST_SHOWN) > 0:
        lines.append(f"| and {more:,} more | | | | |")
    for sentence in _evaluated(simulation):
        lines += ["", f"{sentence}."]
    for title, deliveries in _judged(simulation):
        lines += ["", f"{title[0].upper()}{title[1:]}", ""]
        lines += [f"- {_cell(_delivery(delivery))}" for delivery in deliveries[:MOST_SHOWN]]
        if len(deliveries) > MOST_SHOWN:
            lines.append(f"- … and {len(deliveries) - MOST_SHOWN:,} more")
    lines += ["", "Assumed:", "", *(f"- {_cell(text)}" for text in simulation["assumptions"])]
    if simulation["cut"] is not None:
        lines += ["", f"**Cut**: {_cell(simulation['cut'])}."]
    return "\n".join([*lines, "", "</details>", ""])


def _cell(text: str) -> str:
    """Text of others in a table: no markup, no mention, one line."""
    safe = escaped(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return safe.replace("@", "@\u200b").replace("`", "'")
