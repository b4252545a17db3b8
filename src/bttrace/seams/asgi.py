"""Applications of ASGI: how a request comes to one, and when it is answered.

A request is answered when the last of its body is handed on to the server; what the application does
after that, such as background tasks, is in its tree, but takes none of its time. One that ends
in an exception hands on a response of its own first: hence the wait for the exception itself. A
connection of a WebSocket is one request, from beginning to end.

Source: the ASGI specification 3.0, HTTP & WebSocket 2.5; uvicorn 0.54, starlette 1.10.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ..executions import Execution
from ..guard import guarded
from .requests import Request, Requests

_FAILED = 500
_SWITCHED = 101  # the status of a request that became a WebSocket
_LAST = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
Send = Callable[[Any], Awaitable[None]]


class Asgi:
    """Wraps what is called with a scope, `receive` and `send`. `template(scope, root)` gives the route."""

    def __init__(self, requests: Requests, template: Callable[[Any, str], str | None] | None = None) -> None:
        self._requests = requests
        self._template = template
        self._begun = guarded(self._begin)
        self._heard = guarded(self._hear)
        self._ended = guarded(requests.end)
        self._failed = guarded(requests.fail)

    def call(self, wrapped: Any, _app: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls an application."""
        begun = self._begun(args)
        return wrapped(*args, **kwargs) if begun is None else self._answered(wrapped, args, begun)

    def _begin(self, args: tuple[Any, ...]) -> tuple[Request, Execution] | None:
        scope = args[0] if len(args) == 3 else {}  # noqa: PLR2004 - anything else is not a request
        kind = scope.get("type")
        if kind not in ("http", "websocket"):
            return None
        method = "WEBSOCKET" if kind == "websocket" else scope["method"]
        begun = self._requests.begun(method, lambda name: _headers(scope, name))
        if begun is not None and self._template is not None:
            template, root = self._template, scope.get("root_path", "")
            begun[0].template = lambda: template(scope, root)
        return begun

    async def _answered(self, wrapped: Any, args: tuple[Any, ...], begun: tuple[Request, Execution]) -> Any:
        executions, (request, execution) = self._requests.executions, begun
        scope, receive, own = args
        heard = self._heard

        async def send(message: Any) -> None:
            heard(request, execution, message)
            await own(message)

        entered = executions.enter(execution)
        try:
            result = await wrapped(scope, receive, send)
        except BaseException as error:
            self._failed(request, execution, error)
            raise
        finally:
            executions.leave(entered)
        self._ended(request, execution)
        return result

    def _hear(self, request: Request, execution: Execution, message: Any) -> None:
        """Takes a message that the application sends."""
        kind = message["type"]
        if kind == "http.response.start":
            request.status = message["status"]
        elif kind in _LAST and not message.get("more_body", False):
            request.is_over = True
            if request.status is not None and request.status < _FAILED:
                self._requests.end(request, execution)
        elif kind == "websocket.accept":
            request.status = _SWITCHED


def _headers(scope: Any, name: str) -> Iterable[str]:
    wanted = name.encode()
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted]
