"""What an API that is not ours says of the work that it was given."""

from collections.abc import Mapping

import httpx

from reconciler.core.base.invisible import one_line
from reconciler.core.cel import EvaluationError
from reconciler.core.manifest.http_api import Follow
from reconciler.core.runs.run import Completed, Failed, Json, Reason
from reconciler.core.runs.usage import Usage, reported
from reconciler.dispatch.base import Ended, NeedsApproval, Observation, Working
from reconciler.dispatch.http.api.answers import content, quoted, why_failed
from reconciler.dispatch.http.api.calls import Calls
from reconciler.dispatch.wire import QUOTED, Reply, exchange

UNCLEAR = "it cannot be followed"
"""How the note begins of work of which the API said nothing clear."""
_WORDS = ("running", "completed", "failed", "waiting")


async def ask(calls: Calls, follow: Follow, http: httpx.AsyncClient) -> tuple[Observation, float]:
    """Ask once; return what the answer says, and the seconds that the API wants to be left alone.

    Whatever is no clear word of the API ends nothing: it is a note.
    """
    try:
        answer = await exchange(http, await calls.follow())
    except (EvaluationError, ValueError) as error:
        return Working(f"{UNCLEAR}: {error}"), 0.0
    if not isinstance(answer, Reply):
        return Working(f"{UNCLEAR}: {answer.message}"), 0.0
    if not 200 <= answer.status < 300:
        redirects = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        why = f"{UNCLEAR}: {quoted(answer)}{redirects}"
        return Working(why), answer.retry_after() or 0.0
    if (packed := answer.headers.get("content-encoding", "identity")) != "identity":
        kind = one_line(packed, QUOTED)
        return Working(f"{UNCLEAR}: the answer is packed ({kind}), unasked"), 0.0
    document = content(answer)
    if document is None or isinstance(document, str):
        return Working(f"{UNCLEAR}: the API did not answer JSON"), 0.0
    return await _read(calls, follow, document), 0.0


async def _read(calls: Calls, follow: Follow, answer: Json) -> Observation:
    try:
        values = await calls.read([follow.status], answer)
    except EvaluationError as error:
        return Working(f"{UNCLEAR}: follow.status cannot be evaluated: {error}")
    usage, note = await _usage(calls, follow, answer)
    match values[follow.status]:
        case "running":
            return Working(note or "", usage)
        case "waiting":
            return NeedsApproval("the agent waits for a person", _place(calls.handle))
        case "completed":
            return Ended(Completed(await _result(calls, follow, answer), usage, note))
        case "failed":
            result = await _result(calls, follow, answer)
            why = why_failed(answer)
            return Ended(Failed(Reason.AGENT_FAILED, why, result, usage, note))
        case other:
            value = one_line(str(other), QUOTED)
            words = ", ".join(_WORDS)
            return Working(f"{UNCLEAR}: follow.status gave {value!r}, which is not one of {words}")


async def _result(calls: Calls, follow: Follow, answer: Json) -> Json:
    """The result; the answer itself where there is no expression for it, or it does not fit."""
    if follow.result is None:
        return answer
    try:
        return (await calls.read([follow.result], answer))[follow.result]
    except EvaluationError as error:
        return {"resultError": f"follow.result: {error}", "answer": answer}


async def _usage(calls: Calls, follow: Follow, answer: Json) -> tuple[Usage | None, str | None]:
    """What the work has used until now; an answer that does not tell it yet tells nothing wrong."""
    if follow.usage is None:
        return None, None
    try:
        return reported((await calls.read([follow.usage], answer))[follow.usage])
    except EvaluationError:
        return None, None


def _place(handle: Mapping[str, Json]) -> str:
    """Where a person answers the agent: behind the link of the handle, where it has one."""
    links = [str(value) for value in handle.values() if str(value).startswith("https://")]
    return f"at {one_line(links[0])}" if links else "where the agent works"
