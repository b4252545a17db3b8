"""The one seam of every Stainless SDK: openai, anthropic, and their kin.

Owns where such an SDK is patched. `request` of its clients sees every call of every
resource once; `_build_request` sees each attempt with its body prepared; and
`_process_response` sees the answer. Streams are watched at `__stream__`, the generator
behind all ways of reading one, raw bodies at the methods that iterate over them, and both
at `close`. The names hold from openai 1.8 to 3.52 and
from anthropic 0.20 to 2.11 (`_base_client.py`, `_streaming.py`, `_response.py`).

Knows no provider: an endpoint's row says which requests are model calls.

All seams share the current call, because an SDK can be built on another: one that
inherits the other's client, or hands its requests on to it, makes one call of the two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from ..contracts import Neighbours
from ..guard import guarded
from ..model import Provider
from ..patch import Ledger, Wrapper
from ..record import Recorder
from .callers import LIBRARIES, caller_and_wrapper, folders
from .calls import Call, Shared
from .coverage import Coverage
from .forms import form
from .routes import Routes
from .streams import (
    EXTENSION,
    Watch,
    afollowed,
    followed,
    http_response,
    watch_of,
    watched,
    watched_lines,
    watched_pieces,
)


class Seam:
    """One SDK as it is patched, and what of it could not be.

    Where something is missing, every call still ends: a stream that cannot be watched, when it begins.
    """

    def __init__(
        self,
        provider: Provider,
        recorder: Recorder,
        neighbours: Neighbours,
        current: ContextVar[Call | None],
    ) -> None:
        self._provider = provider
        self._recorder = recorder
        self._neighbours = neighbours
        self._routes = Routes(provider.endpoints)
        self._shared = Shared(recorder, provider)
        self._libraries = LIBRARIES
        self._current = current
        self._sdk: ModuleType | None = None
        self.coverage = Coverage()
        self._begun = guarded(self._begin)
        self._attempted = guarded(self._attempt)
        self._answered = guarded(self._answer)
        self._watched = guarded(self._watch)
        self._returned = guarded(self._return)
        self._failed = guarded(Call.fail)
        self._closed = guarded(self._close)
        self._raw_closed = guarded(self._close_raw)

    @property
    def version(self) -> str:
        """Gives the SDK's version; it may be patched before it has told it."""
        return str(getattr(self._sdk, "__version__", "unknown"))

    def patch(self, sdk: ModuleType, ledger: Ledger) -> None:
        """Patches an SDK that has been imported; what it lacks goes to `coverage`."""
        self._sdk = sdk
        self._libraries += tuple(os.path.join(folder, "") for folder in getattr(sdk, "__path__", ()))
        for module, owner, name, wrapper in self._places(sdk.__name__):
            where = f"{sdk.__name__}.{module}"
            cls = getattr(sys.modules.get(where), owner, None)
            if not isinstance(cls, type) or not ledger.wrap(cls, name, wrapper):
                self.coverage.lacks(where, owner, name)
                continue
            self.coverage.known = True
            if name == "request":
                self._libraries = tuple(dict.fromkeys((*self._libraries, *folders(cls))))

    def patch_helpers(self, module: ModuleType, ledger: Ledger) -> None:
        """Patches the stream helpers of one of the SDK's own modules, which it imports late."""
        for name in self._provider.stream_helpers[module.__name__]:
            cls = getattr(module, name, None)
            if not isinstance(cls, type) or not ledger.wrap(cls, "close", self._closing):
                self.coverage.lacks(module.__name__, name, "close")

    def _places(self, sdk: str) -> tuple[tuple[str, str, str, Wrapper], ...]:
        chunks, achunks = self._reading(self._watched, followed), self._reading(self._watched, afollowed)
        pieces, apieces = self._reading(watched_pieces, followed), self._reading(watched_pieces, afollowed)
        lines, alines = self._reading(watched_lines, followed), self._reading(watched_lines, afollowed)
        places = (
            ("_base_client", "SyncAPIClient", "request", self._request),
            ("_base_client", "AsyncAPIClient", "request", self._arequest),
            ("_base_client", "BaseClient", "_build_request", self._build_request),
            ("_base_client", "SyncAPIClient", "_process_response", self._process_response),
            ("_base_client", "AsyncAPIClient", "_process_response", self._process_response),
            ("_streaming", "Stream", "__stream__", chunks),
            ("_streaming", "AsyncStream", "__stream__", achunks),
            ("_streaming", "Stream", "close", self._closing),
            ("_streaming", "AsyncStream", "close", self._closing),
            ("_response", "APIResponse", "close", self._raw_closing),
            ("_response", "AsyncAPIResponse", "close", self._raw_closing),
            ("_response", "APIResponse", "iter_bytes", pieces),
            ("_response", "APIResponse", "iter_text", pieces),
            ("_response", "APIResponse", "iter_lines", lines),
            ("_response", "AsyncAPIResponse", "iter_bytes", apieces),
            ("_response", "AsyncAPIResponse", "iter_text", apieces),
            ("_response", "AsyncAPIResponse", "iter_lines", alines),
        )
        decoders = sys.modules.get(f"{sdk}._decoders.jsonl")  # of the SDKs, only some read JSON lines
        if decoders is None:
            return places
        # anthropic has had them from 0.36 on, and a way to close them only later.
        closable = [
            name
            for name in ("JSONLDecoder", "AsyncJSONLDecoder")
            if hasattr(vars(decoders).get(name), "close")
        ]
        return (
            *places,
            ("_decoders.jsonl", "JSONLDecoder", "__decode__", chunks),
            ("_decoders.jsonl", "AsyncJSONLDecoder", "__decode__", achunks),
            *(("_decoders.jsonl", name, "close", self._closing) for name in closable),
        )

    # What the SDK calls. Each passes everything on, and does no more of its own than
    # calling guarded functions.

    def _request(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not self._recorder.active:  # left behind by disable(), because somebody wrapped us
            return wrapped(*args, **kwargs)
        outer = self._current.get()
        if outer is not None and outer.is_handed_on(self._shared):
            return wrapped(*args, **kwargs)
        call = self._begun(client, args, kwargs)
        if call is None and outer is None:
            return wrapped(*args, **kwargs)
        self._current.set(call)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            if call is not None:
                self._failed(call, error)
            raise
        finally:
            self._current.set(outer)
        if call is not None:
            self._returned(call)
        return result

    async def _arequest(
        self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        if not self._recorder.active:  # left behind by disable(), because somebody wrapped us
            return await wrapped(*args, **kwargs)
        outer = self._current.get()
        if outer is not None and outer.is_handed_on(self._shared):
            return await wrapped(*args, **kwargs)
        call = self._begun(client, args, kwargs)
        if call is None and outer is None:
            return await wrapped(*args, **kwargs)
        self._current.set(call)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            if call is not None:
                self._failed(call, error)
            raise
        finally:
            self._current.set(outer)
        if call is not None:
            self._returned(call)
        return result

    def _build_request(
        self, wrapped: Any, _client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        request = wrapped(*args, **kwargs)
        call = self._current.get()
        if call is not None:
            self._attempted(call, request, args, kwargs)
        return request

    def _process_response(
        self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        call = self._current.get()
        if call is not None:
            self._answered(call, client, kwargs)
        return wrapped(*args, **kwargs)

    def _reading(self, watch_of_it: Callable[[Any], Watch | None], follow: Callable[..., Any]) -> Wrapper:
        """Gives the wrapper of a method that makes a generator over a response: of chunks, or of pieces."""

        def reading(wrapped: Any, source: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            chunks = wrapped(*args, **kwargs)
            watch = watch_of_it(source) if self._recorder.active else None
            return chunks if watch is None else follow(watch, chunks, self._recorder.clock.now)

        return reading

    def _closing(self, wrapped: Any, source: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self._closed(source)
        return wrapped(*args, **kwargs)

    def _raw_closing(
        self, wrapped: Any, response: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._raw_closed(response)
        return wrapped(*args, **kwargs)

    # What we do then. Each is guarded above.

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """Gives a new call when the request is one to a model."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        found = self._routes.endpoint(options.method, options.url)
        if found is None:
            return None
        endpoint, placed = found
        call = Call(self._shared, endpoint, placed, client)
        call.caller, wrapper = caller_and_wrapper(self._libraries, self._neighbours.wrappers)
        call.parent = self._neighbours.parent(wrapper)
        return call

    def _attempt(self, call: Call, request: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if call.request is request:
            return  # seen by the seam of the SDK that this one is built on
        call.request = request
        call.form = form(args[0] if args else kwargs["options"])
        if not call.attempts:
            call.parent = self._neighbours.exported() or call.parent
        call.attempts += 1

    def _answer(self, call: Call, client: Any, kwargs: Mapping[str, Any]) -> None:
        """Takes the response: to be read by us once the call ends, or by the application as a stream."""
        response = kwargs["response"]
        call.headers = response.headers
        if call.request is None:
            call.request = response.request
        if response.is_error:
            return  # the SDK tries again or raises
        if watch_of(response) is not None:
            return  # watched by the seam of the SDK that this one is built on
        if response.is_closed and not kwargs["stream"]:
            call.response = response
            return
        if kwargs["stream"] and isinstance(client, self.coverage.unwatched):
            return  # nobody would tell when it has been read
        call.streamed = True
        response.extensions[EXTENSION] = Watch(call)
        self._recorder.opened(call)

    def _watch(self, source: Any) -> Watch | None:
        """Gives the watch of a stream that is being made, also of a call whose answer nobody saw."""
        call = self._current.get()
        if call is not None and call.headers is None:
            self._answer(call, None, {"response": http_response(source), "stream": True})
        return watched(source)

    @staticmethod
    def _return(call: Call) -> None:
        if not call.streamed:
            call.end("exhausted")

    @staticmethod
    def _close(source: Any) -> None:
        watch = watch_of(http_response(source))
        if watch is not None:
            watch.call.end("closed")

    @staticmethod
    def _close_raw(response: Any) -> None:
        """Ends the call of a raw response, which the application may have read whole."""
        answer = http_response(response)
        watch = watch_of(answer)
        if watch is None:
            return
        if watch.taken or not answer.is_stream_consumed:
            watch.call.end("closed")
        else:
            watch.call.response = answer
            watch.call.end("exhausted")
