"""The one seam of every Stainless SDK: openai, anthropic, and their kin.

Owns where such an SDK is patched, and what is done as a call is made. `request` of its
clients sees every call of every resource once; `_build_request` sees each attempt with its
body prepared; `_process_response` sees the answer, which `readings` then sees being read.
The names hold from openai 1.8 to 3.52 and from anthropic 0.20 to 2.11 (`_base_client.py`).

Knows no provider: an endpoint's row says which requests are model calls.

All seams share the current call, because an SDK can be built on another: one that
inherits the other's client, or hands its requests on to it, makes one call of the two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from ..contracts import Neighbours
from ..executions import around
from ..guard import guarded
from ..model import Provider
from ..patch import Ledger
from ..record import Recorder
from ..surroundings.correlated import current
from ..surroundings.suppression import is_suppressed
from . import http
from .callers import Libraries, caller_and_wrapper, folders
from .calls import Call, Shared
from .coverage import Coverage
from .finding.discovery import Discovery
from .forms import form
from .readings import Place, Readings
from .routes import Routes
from .streams import (
    EXTENSION,
    Watch,
    http_response,
    watch_of,
    watched,
)

_ERRORS = 400  # and above: statuses of answers that are errors
_PARSED = 64 * 1024  # bytes of a raw answer that are parsed on the application's thread


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
        discovery: Discovery | None = None,
    ) -> None:
        self._provider = provider
        self._recorder = recorder
        self._neighbours = neighbours
        self._routes = Routes(provider.endpoints)
        self._discovery = discovery
        self._shared = Shared(recorder, provider, ask=None if discovery is None else discovery.ask)
        self._libraries = Libraries()
        self._current = current
        self._sdk: ModuleType | None = None
        self.coverage = Coverage()
        self._begun = guarded(self._begin)
        self._attempted = guarded(self._attempt)
        self._answered = guarded(self._answer)
        self._readings = Readings(recorder, guarded(self._watch))
        self._returned = guarded(self._return)
        self._failed = guarded(Call.fail)
        self._sought = guarded(self._seek)

    @property
    def version(self) -> str:
        """Gives the SDK's version; it may be patched before it has told it."""
        return str(getattr(self._sdk, "__version__", "unknown"))

    def patch(self, sdk: ModuleType, ledger: Ledger) -> None:
        """Patches an SDK that has been imported; what it lacks goes to `coverage`."""
        self._sdk = sdk
        libraries = self._libraries.folders
        libraries += tuple(os.path.join(folder, "") for folder in getattr(sdk, "__path__", ()))
        for module, owner, name, wrapper in self._places(sdk.__name__):
            where = f"{sdk.__name__}.{module}"
            cls = getattr(sys.modules.get(where), owner, None)
            if not isinstance(cls, type) or not ledger.wrap(cls, name, wrapper):
                self.coverage.lacks(where, owner, name)
                continue
            self.coverage.known = True
            if name == "request":
                libraries = tuple(dict.fromkeys((*libraries, *folders(cls))))
        self._libraries = Libraries(libraries)
        if self._discovery is not None:
            self._discovery.skip(libraries)

    def patch_helpers(self, module: ModuleType, ledger: Ledger) -> None:
        """Patches the stream helpers of one of the SDK's own modules, which it imports late."""
        for name in self._provider.stream_helpers[module.__name__]:
            cls = getattr(module, name, None)
            if not isinstance(cls, type) or not ledger.wrap(cls, "close", self._readings.closing):
                self.coverage.lacks(module.__name__, name, "close")

    def _places(self, sdk: str) -> tuple[Place, ...]:
        return (
            ("_base_client", "SyncAPIClient", "request", self._request),
            ("_base_client", "AsyncAPIClient", "request", self._arequest),
            ("_base_client", "BaseClient", "_build_request", self._build_request),
            ("_base_client", "SyncAPIClient", "_process_response", self._process_response),
            ("_base_client", "AsyncAPIClient", "_process_response", self._process_response),
            *self._readings.places(sdk),
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
            if call.seeks and not call.streamed:
                self._sought(call, result)
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
            if call.seeks and not call.streamed:
                self._sought(call, result)
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

    # What we do then. Each is guarded above.

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """Gives a new call when the request is one to a model, and is not suppressed."""
        if is_suppressed():
            return None
        options = args[1] if len(args) > 1 else kwargs["options"]
        found = self._routes.endpoint(options.method, options.url)
        if found is None:
            return None
        endpoint, placed = found
        if self._recorder.is_idle:
            self._recorder.expect()
        call = Call(self._shared, endpoint, placed, client)
        call.caller, wrapper = caller_and_wrapper(self._libraries, self._neighbours.wrappers)
        call.parent = self._neighbours.parent(wrapper)
        call.within = around(call.parent)
        call.correlation = current()
        if endpoint.conversation is not None:
            # Where requests have the tools that they offer: the application's own, and those of MCP servers.
            body = getattr(options, "json_data", None)
            call.offers = type(body) is dict and bool(
                body.get("tools") or body.get("functions") or body.get("mcp_servers")
            )
            if call.offers and self._discovery is not None:
                call.seeks = True
                self._discovery.go_on()
        return call

    def _attempt(self, call: Call, request: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if call.request is request:
            return  # seen by the seam of the SDK that this one is built on
        call.request = request
        if call.may_be_form:
            call.form = form(args[0] if args else kwargs["options"])
        if not call.attempts:
            call.parent = self._neighbours.exported() or call.parent
            if call.offers:
                self._recorder.begin(call)
        call.attempts += 1

    def _answer(self, call: Call, client: Any, kwargs: Mapping[str, Any]) -> None:
        """Takes the response: to be read by us once the call ends, or by the application as a stream."""
        response = kwargs["response"]
        call.headers = response.headers
        if call.request is None:
            call.request = response.request
        if response.status_code >= _ERRORS:
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
    def _seek(call: Call, result: Any) -> None:
        """Looks for the tools that a whole answer asks for, in the SDK's object or a raw response."""
        raw = vars(result).get("http_response") if hasattr(result, "__dict__") else None
        if raw is None:
            call.seek(result)
        elif len(body := http.content(raw)) < _PARSED:
            call.seek(http.parsed(body)[0])
