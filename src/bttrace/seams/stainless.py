"""The one seam of every Stainless SDK: openai, anthropic, and their kin.

Owns where such an SDK is patched. `request` of its clients sees every call of every
resource once; `_build_request` sees each attempt with its body prepared; and
`_process_response` sees the answer. Streams are watched at `__stream__`, the generator
behind all ways of reading one, and at `close`. The names hold from openai 1.8 to 3.52 and
from anthropic 0.20 to 2.11 (`_base_client.py`, `_streaming.py`, `_response.py`).

Knows no provider: an endpoint's row says which requests are model calls.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from ..guard import guarded
from ..model import Provider
from ..patch import Ledger, Wrapper
from ..record import Recorder
from .callers import LIBRARIES, application_frame
from .calls import Call, Shared
from .forms import form
from .routes import Routes
from .streams import EXTENSION, Watch, afollowed, followed, watch_of, watched


class Seam:
    """One SDK as it is patched. `missing` tells what is not traced, and which place was not there to patch.

    Of a seam in part, every call still ends: a stream that cannot be watched when its answer begins.
    """

    def __init__(self, provider: Provider, recorder: Recorder, parent: Callable[[], object | None]) -> None:
        self._provider = provider
        self._recorder = recorder
        self._parent = parent
        self._routes = Routes(provider.endpoints)
        self._shared = Shared(recorder, provider)
        self._libraries = LIBRARIES
        self._current: ContextVar[Call | None] = ContextVar(f"bttrace_{provider.sdk}_call", default=None)
        self.version = ""
        self.missing: list[str] = []
        self.known = False  # whether anything was there to patch
        self._unwatched: tuple[type, ...] = ()  # clients whose streams cannot be watched
        self._begun = guarded(self._begin)
        self._attempted = guarded(self._attempt)
        self._answered = guarded(self._answer)
        self._watched = guarded(self._watch)
        self._returned = guarded(self._return)
        self._failed = guarded(Call.fail)
        self._closed = guarded(self._close)
        self._raw_closed = guarded(self._close_raw)

    def patch(self, sdk: ModuleType, ledger: Ledger) -> None:
        """Patches an SDK that has been imported; what it lacks goes to `missing`."""
        self.version = str(getattr(sdk, "__version__", "unknown"))
        self._libraries += tuple(os.path.join(folder, "") for folder in getattr(sdk, "__path__", ()))
        for module, owner, name, wrapper, seen in self._places():
            where = f"{sdk.__name__}.{module}"
            cls = getattr(sys.modules.get(where), owner, None)
            if isinstance(cls, type) and ledger.wrap(cls, name, wrapper):
                self.known = True
                continue
            self.missing.append(f"{seen} ({where}.{owner}.{name})")
            if name == "__stream__":
                client = "SyncAPIClient" if owner == "Stream" else "AsyncAPIClient"
                found = getattr(sys.modules.get(f"{sdk.__name__}._base_client"), client, None)
                self._unwatched += (found,) if isinstance(found, type) else ()

    def patch_helpers(self, module: ModuleType, ledger: Ledger) -> None:
        """Patches the stream helpers of one of the SDK's own modules, which it imports late."""
        for name in self._provider.stream_helpers[module.__name__]:
            cls = getattr(module, name, None)
            if not isinstance(cls, type) or not ledger.wrap(cls, "close", self._helper_close):
                self.missing.append(f"the end of closed streams ({module.__name__}.{name}.close)")

    def _places(self) -> tuple[tuple[str, str, str, Wrapper, str], ...]:
        """Gives what to patch (module, class, method), by what, and what is seen there."""
        return (
            ("_base_client", "SyncAPIClient", "request", self._request, "sync calls"),
            ("_base_client", "AsyncAPIClient", "request", self._arequest, "async calls"),
            (
                "_base_client",
                "BaseClient",
                "_build_request",
                self._build_request,
                "failed requests and retries",
            ),
            ("_base_client", "SyncAPIClient", "_process_response", self._process_response, "sync answers"),
            ("_base_client", "AsyncAPIClient", "_process_response", self._process_response, "async answers"),
            ("_streaming", "Stream", "__stream__", self._stream, "sync streams"),
            ("_streaming", "AsyncStream", "__stream__", self._astream, "async streams"),
            ("_streaming", "Stream", "close", self._stream_close, "the end of closed sync streams"),
            ("_streaming", "AsyncStream", "close", self._stream_close, "the end of closed async streams"),
            ("_response", "APIResponse", "close", self._response_close, "raw streamed sync answers"),
            ("_response", "AsyncAPIResponse", "close", self._aresponse_close, "raw streamed async answers"),
        )

    # What the SDK calls. Each passes everything on, and does no more of its own than
    # calling guarded functions.

    def _request(self, wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not self._recorder.active:  # left behind by disable(), because somebody wrapped us
            return wrapped(*args, **kwargs)
        call = self._begun(client, args, kwargs)
        outer = self._current.get()
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
        call = self._begun(client, args, kwargs)
        outer = self._current.get()
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

    def _stream(self, wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        chunks = wrapped(*args, **kwargs)
        watch = self._watched(stream) if self._recorder.active else None
        return chunks if watch is None else followed(watch, chunks, self._recorder.clock.now)

    def _astream(self, wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        chunks = wrapped(*args, **kwargs)
        watch = self._watched(stream) if self._recorder.active else None
        return chunks if watch is None else afollowed(watch, chunks, self._recorder.clock.now)

    def _stream_close(
        self, wrapped: Any, stream: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._closed(stream, "response")
        return wrapped(*args, **kwargs)

    def _helper_close(
        self, wrapped: Any, helper: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._closed(helper, "_response")
        return wrapped(*args, **kwargs)

    def _response_close(
        self, wrapped: Any, response: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._raw_closed(response)
        return wrapped(*args, **kwargs)

    async def _aresponse_close(
        self, wrapped: Any, response: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self._raw_closed(response)
        return await wrapped(*args, **kwargs)

    # What we do then. Each is guarded above.

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """Gives a new call when the request is one to a model."""
        options = args[1] if len(args) > 1 else kwargs["options"]
        found = self._routes.endpoint(options.method, options.url)
        if found is None:
            return None
        endpoint, placed = found
        call = Call(self._shared, endpoint, placed, client)
        call.parent = self._parent()
        call.caller = application_frame(self._libraries)
        return call

    @staticmethod
    def _attempt(call: Call, request: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        call.request = request
        call.form = form(args[0] if args else kwargs["options"])
        call.attempts += 1

    def _answer(self, call: Call, client: Any, kwargs: Mapping[str, Any]) -> None:
        """Takes the response: to be read by us once the call ends, or by the application as a stream."""
        response = kwargs["response"]
        call.headers = response.headers
        if call.request is None:
            call.request = response.request
        if response.is_error:
            return  # the SDK tries again or raises
        if response.is_closed and not kwargs["stream"]:
            call.response = response
            return
        if kwargs["stream"] and isinstance(client, self._unwatched):
            return  # nobody would tell when it has been read
        call.streamed = True
        response.extensions[EXTENSION] = Watch(call)
        self._recorder.opened(call)

    def _watch(self, stream: Any) -> Watch | None:
        """Gives the watch of a stream that is being made, of a call whose answer went by unseen, too."""
        call = self._current.get()
        if call is not None and call.headers is None:
            self._answer(call, None, {"response": stream.response, "stream": True})
        return watched(stream)

    @staticmethod
    def _return(call: Call) -> None:
        if not call.streamed:
            call.end("exhausted")

    @staticmethod
    def _close(stream: Any, name: str) -> None:
        watch = watch_of(getattr(stream, name))
        if watch is not None:
            watch.call.end("closed")

    @staticmethod
    def _close_raw(raw: Any) -> None:
        """Ends the call of a raw response, which the application may have read whole."""
        response = raw.http_response
        watch = watch_of(response)
        if watch is None:
            return
        if watch.taken or not response.is_stream_consumed:
            watch.call.end("closed")
        else:
            watch.call.response = response
            watch.call.end("exhausted")
