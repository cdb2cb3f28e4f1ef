"""What a simulation is asked for over HTTP, and what it says."""

from typing import Annotated

from pydantic import Field

from reconciler.core.manifest.fields import Instant
from reconciler.web.http.operation import Wire
from reconciler.web.models.bundle import PlanOrder
from reconciler.web.models.run import Id


class SimulateOrder(PlanOrder):
    """A set of manifests, or a saved plan, and a time."""

    from_: Annotated[Instant, Field(alias="from")]
    """The first moment."""
    to: Instant
    """Not included."""


class CountsView(Wire):
    """Runs of schedules and webhooks."""

    started: int
    """How many started."""
    not_started: dict[str, int]
    """How many did not, by reason."""


class ComparedAutopilot(Wire):
    """What an autopilot would have done, and did."""

    workspace: str
    """Its workspace."""
    name: str
    """Its name."""
    planned: bool
    """False where the manifests no longer have it."""
    would: CountsView
    """Under these manifests."""
    happened: CountsView
    """As it is recorded."""


class JudgedDeliveryView(Wire):
    """A delivery that these manifests judge otherwise than it was judged when it came."""

    id: Id
    """The delivery."""
    at: Instant
    """When it was received."""
    trigger: str
    """`workspace/autopilot/trigger`."""
    event: str | None
    """What the sender calls it."""
    why: str
    """Why it would be ignored, or was."""


class DeliveriesView(Wire):
    """The stored deliveries of that time."""

    evaluated: int
    """How many were asked again whether they are wanted."""
    unevaluated: int
    """How many could not be; they count as they were."""
    missed: list[JudgedDeliveryView]
    """Those that were taken, and would not be."""
    gained: list[JudgedDeliveryView]
    """Those that were ignored, and would be taken."""


class SimulationView(Wire):
    """What manifests would have done over a time, beside what happened."""

    format_version: int
    """1."""
    from_: Annotated[Instant, Field(alias="from")]
    """The beginning."""
    to: Instant
    """The end."""
    summary: str
    """In a sentence."""
    would: CountsView
    """Of all autopilots, under these manifests."""
    happened: CountsView
    """Of all autopilots, as it is recorded."""
    autopilots: list[ComparedAutopilot]
    """Each of them."""
    deliveries: DeliveriesView
    """The stored deliveries."""
    assumptions: list[str]
    """What was assumed, for want of knowing."""
    cut: str | None
    """What was left out, where the time was too long."""
