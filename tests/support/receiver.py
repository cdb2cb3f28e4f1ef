"""The real intake on a rig, and senders that knock at it without a socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.inbound import Answer, InboundRequest
from reconciler.control.webhooks.intake import Intake
from reconciler.core.webhooks.token import webhook_token
from reconciler.store.webhooks.deliveries import Delivery, list_deliveries
from tests.support.rig import COOLDOWN, KEY, Rig

SECRET = "s3cret"
VARIABLE = "AUTOPILOT_SECRET_DEFAULT__CI"
JSON = {"content-type": "application/json"}
HERE = "192.0.2.1"


@dataclass
class Receiver:
    """An intake that knows one secret of workspace `default`."""

    rig: Rig
    secrets: dict[str, str] = field(default_factory=lambda: {VARIABLE: SECRET})
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        rig = self.rig
        self.intake = Intake(
            rig.database,
            SecretStore(Path("/nonexistent"), self.secrets),
            rig.evaluator,
            rig.titles,
            rig.ids,
            rig.clock,
            COOLDOWN,
        )

    def token(self, name: str = "triage", trigger: str = "hook", generation: int = 1) -> str:
        """The token of a trigger's URL."""
        return webhook_token(KEY, self.rig.triggers(name)[trigger].id, generation)

    def send(
        self,
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        method: str = "POST",
        client: str = HERE,
        chunks: AsyncIterator[bytes] | None = None,
    ) -> Answer:
        """One request to trigger `hook` of `triage`, unless said otherwise."""
        request = self.request(
            body, headers, token=token, method=method, client=client, chunks=chunks
        )
        return asyncio.run(self.intake.receive(request))

    def send_at_once(self, requests: Sequence[InboundRequest]) -> list[Answer]:
        """All of them at the same time."""

        async def gather() -> list[Answer]:
            return await asyncio.gather(*(self.intake.receive(one) for one in requests))

        return asyncio.run(gather())

    def request(
        self,
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        method: str = "POST",
        client: str = HERE,
        chunks: AsyncIterator[bytes] | None = None,
    ) -> InboundRequest:
        """A request as the web layer hands it over; JSON unless the headers say otherwise."""
        named = {**JSON, **{name.lower(): value for name, value in (headers or {}).items()}}
        raw = tuple((name.encode(), value.encode()) for name, value in named.items() if value)
        return InboundRequest(method, token or self.token(), raw, chunks or whole(body), client)

    def deliveries(self) -> list[Delivery]:
        """What was recorded, oldest first."""
        return self.rig.database.read(lambda tx: list_deliveries(tx, limit=200))[::-1]


async def whole(body: bytes) -> AsyncIterator[bytes]:
    """A body in one piece."""
    yield body
