"""The least that a webhook receiver can do: Starlette reads the body and stores nothing.

On the same event loop and HTTP parser as the server that is measured beside it.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def receive(request: Request) -> Response:
    """Read it all, say 202."""
    await request.body()
    return JSONResponse({"status": "accepted"}, 202)


app = Starlette(routes=[Route("/hook", receive, methods=["POST"])])

if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(app, port=port, loop="uvloop", http="h11", access_log=False, log_level="warning")
