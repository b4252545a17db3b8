"""Applications of ASGI: how a request comes to one, and when it is answered.

A request is answered when the last of its body is handed on to the server; what the application does
after that, such as background tasks, is in its tree, but takes none of its time. One that ends
in an exception hands on a response of its own first: hence the wait for the exception itself. A
connection of a WebSocket is one request, from beginning to end.

Source: the ASGI specification 3.0, HTTP & WebSocket 2.5; uvicorn 0.54, starlette 1.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...executions import EXECUTING, Execution
from ...guard import guarded
from .requests import FAILED, Request, Requests

_SWITCHED = 101  # the status of a request that became a WebSocket
_LAST = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})


class Asgi:
    """Wraps what is called with a scope, `receive` and `send`."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._begun = guarded(self._begin)
        self._heard = guarded(self._hear)
        self._ended = guarded(requests.end)
        self._failed = guarded(requests.fail)

    def headers(self, given: Any, name: str) -> list[str]:
        """Gives the values of a header that stands in a scope."""
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in given["headers"] if key.lower() == wanted]

    def template(self, _request: Request) -> str | None:
        """Knows none."""
        return None

    def call(self, wrapped: Any, _app: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls an application."""
        execution = self._begun(args)
        return wrapped(*args, **kwargs) if execution is None else self._answered(wrapped, args, execution)

    def _begin(self, args: tuple[Any, ...]) -> Execution | None:
        scope = args[0] if len(args) == 3 else {}  # noqa: PLR2004 - anything else is not a request
        kind = scope.get("type")
        if kind == "http":
            return self._requests.begun(scope["method"], scope, scope.get("root_path", ""), self)
        if kind == "websocket":
            return self._requests.begun("WEBSOCKET", scope, scope.get("root_path", ""), self)
        return None

    async def _answered(self, wrapped: Any, args: tuple[Any, ...], execution: Execution) -> Any:
        scope, receive, own = args
        heard = self._heard

        async def send(message: Any) -> None:
            heard(execution, message)
            await own(message)

        outer = EXECUTING.get()
        EXECUTING.set(execution)
        try:
            result = await wrapped(scope, receive, send)
        except BaseException as error:
            self._failed(execution, error)
            raise
        finally:
            EXECUTING.set(outer)
        if execution.ended is None:
            self._ended(execution)
        return result

    def _hear(self, execution: Execution, message: Any) -> None:
        """Takes a message that the application sends."""
        request: Any = execution.errand
        kind = message["type"]
        if kind == "http.response.start":
            request.status = message["status"]
        elif kind in _LAST:
            if not message.get("more_body", False):
                request.is_over = True
                if request.status is not None and request.status < FAILED:
                    self._requests.end(execution)
        elif kind == "websocket.accept":
            request.status = _SWITCHED
