"""The stand-in as an ASGI application."""

from starlette.applications import Starlette
from starlette.routing import Route

from tests.support.aegis.api import routes
from tests.support.aegis.control import control
from tests.support.aegis.events import events
from tests.support.aegis.world import World


def application(world: World, keys: tuple[str, ...]) -> Starlette:
    """The server."""
    return Starlette(
        routes=[
            *routes(world, keys),
            Route("/v1/events", events(world)),
            Route("/_control", control(world), methods=["GET", "POST"]),
        ]
    )
