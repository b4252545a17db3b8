"""Applications of WSGI: how a request comes to one, and when it is answered.

A request is answered when the body that its application gave is exhausted, or closed: it may be
made while it is sent. A body that is whole already goes to the server as it is; around any other
stands one that runs each step of it in the request.

Source: PEP 3333; gunicorn 27, werkzeug 3.1, django 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..executions import Execution
from ..guard import guarded
from .requests import Request, Requests

_WHOLE = (list, tuple, bytes)


class Wsgi:
    """Wraps what is called with an environment and `start_response`."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._begun = guarded(self._begin)
        self.ended = guarded(requests.end)
        self.failed = guarded(requests.fail)
        self.executions = requests.executions

    def call(self, wrapped: Any, _app: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls an application."""
        begun = self._begun(args)
        if begun is None:
            return wrapped(*args, **kwargs)
        request, execution = begun
        environ, own = args

        def start_response(status: str, *rest: Any, **named: Any) -> Any:
            request.status = int(status[:3]) if status[:3].isdecimal() else None
            return own(status, *rest, **named)

        entered = self.executions.enter(execution)
        try:
            body = wrapped(environ, start_response)
        except BaseException as error:
            self.failed(request, execution, error)
            raise
        finally:
            self.executions.leave(entered)
        if _is_whole(body, environ):
            self.ended(request, execution)
            return body
        return Body(body, self, request, execution)

    def _begin(self, args: tuple[Any, ...]) -> tuple[Request, Execution] | None:
        environ = args[0] if len(args) == 2 else {}  # noqa: PLR2004 - anything else is not a request
        if "REQUEST_METHOD" not in environ:
            return None
        return self._requests.begun(environ["REQUEST_METHOD"], lambda name: _headers(environ, name))


class Body:
    """The body of a response, which is made while it is sent."""

    __slots__ = ("_execution", "_own", "_parts", "_request", "_wsgi")

    def __init__(self, own: Any, wsgi: Wsgi, request: Request, execution: Execution) -> None:
        self._own = own
        self._parts: Iterator[Any] | None = None
        self._wsgi = wsgi
        self._request = request
        self._execution = execution

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._within(self._step)
        except StopIteration:
            self._wsgi.ended(self._request, self._execution)
            raise
        except BaseException as error:
            self._wsgi.failed(self._request, self._execution, error)
            raise

    def _step(self) -> Any:
        if self._parts is None:
            self._parts = iter(self._own)
        return next(self._parts)

    def close(self) -> None:
        """Closes the application's own, if it can be."""
        close = getattr(self._own, "close", None)
        try:
            if close is not None:
                self._within(close)
        finally:
            self._wsgi.ended(self._request, self._execution)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def _within(self, function: Callable[[], Any]) -> Any:
        executions = self._wsgi.executions
        entered = executions.enter(self._execution)
        try:
            return function()
        finally:
            executions.leave(entered)


def _is_whole(body: object, environ: Mapping[str, Any]) -> bool:
    """Tells whether nothing of the application's runs when the body is sent, or the server must know it."""
    wrapper = environ.get("wsgi.file_wrapper")
    is_file = isinstance(wrapper, type) and isinstance(body, wrapper)
    return is_file or isinstance(body, _WHOLE) or getattr(body, "streaming", None) is False


def _headers(environ: Mapping[str, Any], name: str) -> list[str]:
    value = environ.get(f"HTTP_{name.upper()}")
    return [] if value is None else [value]
