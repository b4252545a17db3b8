"""The *floor*, the least that any tracer could do to an SDK: read the clock twice and keep a reference.

Owns a bare wrapt wrapper on `request`, and a bare generator around a stream. It stands in a
folder of its own, which is put on the path of a process that is to have it.
"""

from __future__ import annotations

import time
from typing import Any

import wrapt


def patch(sdk: Any) -> None:
    """Patches an SDK that Stainless generated."""
    kept: dict[str, object] = {}
    clock = time.perf_counter_ns

    def request(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        started = clock()
        result = wrapped(*args, **kwargs)
        kept["last"] = (started, clock(), result)
        return result

    async def arequest(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        started = clock()
        result = await wrapped(*args, **kwargs)
        kept["last"] = (started, clock(), result)
        return result

    def stream(wrapped: Any, _stream: Any, args: Any, kwargs: Any) -> Any:
        return (chunk for chunk in wrapped(*args, **kwargs))

    def astream(wrapped: Any, _stream: Any, args: Any, kwargs: Any) -> Any:
        return (chunk async for chunk in wrapped(*args, **kwargs))

    places = (
        (sdk._base_client.SyncAPIClient, "request", request),
        (sdk._base_client.AsyncAPIClient, "request", arequest),
        (sdk._streaming.Stream, "__stream__", stream),
        (sdk._streaming.AsyncStream, "__stream__", astream),
    )
    for owner, name, wrapper in places:
        setattr(owner, name, wrapt.FunctionWrapper(vars(owner)[name], wrapper))
