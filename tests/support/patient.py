"""Requests that wait as long as a busy machine may take, where httpx gives up after 5 s."""

from functools import partial

import httpx

SECONDS = 60.0

get = partial(httpx.get, timeout=SECONDS)
post = partial(httpx.post, timeout=SECONDS)
put = partial(httpx.put, timeout=SECONDS)
request = partial(httpx.request, timeout=SECONDS)
stream = partial(httpx.stream, timeout=SECONDS)
Client = partial(httpx.Client, timeout=SECONDS)
