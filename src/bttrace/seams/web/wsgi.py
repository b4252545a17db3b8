"""Applications of WSGI: how a request comes to one, and when it is answered.

A request is answered when the body that its application gave is exhausted, or closed: it may be
made while it is sent. A body that is whole already goes to the server as it is; around any other
stands one that runs each step of it in the request.

Source: PEP 3333; gunicorn 27, werkzeug 3.1, django 5.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...executions import EXECUTING, Execution
from ...guard import guarded
from .requests import Request, Requests

_WHOLE = (list, tuple, bytes)


class Wsgi:
    """Wraps what is called with an environment and `start_response`."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._begun = guarded(self._begin)
        self._sent = guarded(self._body)
        self.ended = guarded(requests.end)
        self.failed = guarded(requests.fail)

    def headers(self, given: Any, name: str) -> list[str]:
        """Gives the values of a header that stands in an environment."""
        value = given.get(f"HTTP_{name.upper()}")
        return [] if value is None else [value]

    def template(self, _request: Request) -> str | None:
        """Knows none."""
        return None

    def call(self, wrapped: Any, _app: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls an application."""
        execution = self._begun(args)
        if execution is None:
            return wrapped(*args, **kwargs)
        outer = EXECUTING.get()
        EXECUTING.set(execution)
        try:
            body = wrapped(*args, **kwargs)
        except BaseException as error:
            self.failed(execution, error)
            raise
        finally:
            EXECUTING.set(outer)
        return self._sent(execution, body, args[0]) or body

    def _begin(self, args: tuple[Any, ...]) -> Execution | None:
        environ = args[0] if len(args) == 2 else {}  # noqa: PLR2004 - anything else is not a request
        method = environ.get("REQUEST_METHOD")
        return None if method is None else self._requests.begun(method, environ, "", self)

    def _body(self, execution: Execution, body: Any, environ: Mapping[str, Any]) -> Body | None:
        """Gives what stands around a body that is made while it is sent; `None` for one that is whole."""
        request: Any = execution.errand
        if request.status is None:
            request.status = getattr(body, "status_code", None)  # django's bodies are its responses
        if not (request.is_over or _is_whole(body, environ)):
            return Body(body, self, execution)
        self._requests.end(execution)
        return None


class Body:
    """The body of a response, which is made while it is sent."""

    __slots__ = ("_execution", "_own", "_parts", "_wsgi")

    def __init__(self, own: Any, wsgi: Wsgi, execution: Execution) -> None:
        self._own = own
        self._parts: Iterator[Any] | None = None
        self._wsgi = wsgi
        self._execution = execution

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        outer = EXECUTING.get()
        EXECUTING.set(self._execution)
        try:
            if self._parts is None:
                self._parts = iter(self._own)
            return next(self._parts)
        except StopIteration:
            self._wsgi.ended(self._execution)
            raise
        except BaseException as error:
            self._wsgi.failed(self._execution, error)
            raise
        finally:
            EXECUTING.set(outer)

    def close(self) -> None:
        """Closes the application's own, if it can be."""
        close = getattr(self._own, "close", None)
        outer = EXECUTING.get()
        EXECUTING.set(self._execution)
        try:
            if close is not None:
                close()
        finally:
            EXECUTING.set(outer)
            self._wsgi.ended(self._execution)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def _is_whole(body: object, environ: Mapping[str, Any]) -> bool:
    """Tells whether nothing of the application's runs when the body is sent, or the server must know it."""
    if isinstance(body, _WHOLE) or getattr(body, "streaming", None) is False:
        return True
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)
