"""One request of a web framework, as its execution: a workflow that is told of once something begins in it.

Owns what is told of a request: the method, the template of its route, the status of the response;
the exception, if one ended it. Never a path, for it has ids in it; nor a parameter, a header or a body.
Knows no framework: rows say where each has the template, and protocols how a request is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..executions import EXECUTING, Execution
from .executions import Executions
from .incoming import Incoming

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "WEBSOCKET"}
)
_OTHER = "OTHER"  # any other method: names are of few kinds
_FAILED = 500  # and above: the status of a request that the application could not answer
_ERROR_TEXT = 4000  # characters of an error's message that are kept
Headers = Callable[[str], Iterable[str]]
"""Gives the values of a header by its name, which is in lower case."""


class Request:
    """One request. `headers` and `template` are asked when something begins in it, and when it ends."""

    __slots__ = ("_headers", "_incoming", "error", "is_over", "method", "status", "template")
    nests = False  # a part of the application that is one by itself is a part of its request

    def __init__(self, method: str, headers: Headers, incoming: Incoming) -> None:
        self._incoming = incoming
        self._headers: Headers | None = headers
        self.method = method
        self.template: Callable[[], str | None] | None = None
        self.status: int | None = None
        self.error: BaseException | None = None
        self.is_over = False

    def tell(self, execution: Execution) -> None:
        """Writes into its execution what is known of it by now; what it came with is let go of at its end."""
        if self._headers is not None and execution.within is None:
            self._incoming.join(execution, [*self._headers("traceparent")], [*self._headers("baggage")])
        self._headers = None
        method = self.method if self.method in _METHODS else _OTHER
        route = None if self.template is None else self.template()
        execution.name = method if route is None else f"{method} {route}"
        execution.arguments = {"method": method} if route is None else {"method": method, "route": route}
        if execution.ended is not None:
            self.template = lambda: route
            self.error = None


class Requests:
    """Begins and ends the executions of requests. Each of its functions is guarded by who calls it."""

    def __init__(self, executions: Executions, incoming: Incoming) -> None:
        self.executions = executions
        self._incoming = incoming

    def begun(self, method: str, headers: Headers) -> tuple[Request, Execution] | None:
        """Gives a new request, in which nobody runs yet; `None` for a part of one that is answered."""
        request = Request(method, headers, self._incoming)
        execution = self.executions.take(request)
        return None if execution is None else (request, execution)

    def end(self, request: Request, execution: Execution) -> None:
        """Ends a request that was answered."""
        request.is_over = True
        if execution.ended is not None:
            return
        status, error = request.status, request.error
        if error is not None:
            execution.error = (type(error).__name__, str(error)[:_ERROR_TEXT])
        elif status is not None and status >= _FAILED:
            execution.error = (f"HTTP {status}", "")
        self.executions.end(execution, None if status is None else {"status": status})

    def fail(self, request: Request, execution: Execution, error: BaseException) -> None:
        """Ends a request that an exception came out of."""
        request.is_over = True
        if execution.ended is None and request.status is not None:
            execution.result = {"status": request.status}
        self.executions.fail(execution, error)


def current() -> Request | None:
    """Gives the request that the application's code answers."""
    execution = EXECUTING.get()
    while execution is not None:
        if isinstance(execution.errand, Request):
            return execution.errand
        execution = execution.within
    return None
