"""Copies of the stand-in SDK, and the least that a tracer could patch into one.

Owns the *floor*: a bare wrapt wrapper on `request` that reads the clock twice and keeps a
reference, and a bare generator around a stream.
"""

from __future__ import annotations

import sys
import time
from importlib import util
from types import ModuleType
from typing import Any

import wrapt

from .environment import HERE


def loaded(name: str) -> ModuleType:
    """Gives a copy of the stand-in under a name of its own."""
    folder = HERE / "stainless"
    spec = util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not there")
    module = sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def floored(sdk: Any) -> None:
    """Patches a copy with the least."""
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
