"""One request of a web framework, as its execution: a workflow that is told of once something begins in it.

Owns what is told of a request: the method, the template of its route, the status of the response;
the exception, if one ended it. Never a path, for it has ids in it; nor a parameter, a header or a body.
Knows no framework: those say how a request is answered, and where the template stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ...executions import EXECUTING, Execution
from .errands import Errands, errand_around
from .incoming import Incoming

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "WEBSOCKET"}
)
_OTHER = "OTHER"  # any other method: names are of few kinds
FAILED = 500  # and above: the status of a request that the application could not answer
_ERROR_TEXT = 4000  # characters of an error's message that are kept


class Carrier(Protocol):
    """How requests of a kind come: what there is of one is whatever its server gave."""

    def headers(self, given: Any, name: str) -> Sequence[str]:
        """Gives the values of a header, by its name in lower case."""

    def template(self, request: Request) -> str | None:
        """Gives the template of its route, where no one has noted it."""


class Request:
    """One request. What it came with, `given`, is kept until its end, or until nobody can ask any more."""

    __slots__ = ("_incoming", "carrier", "error", "given", "is_over", "method", "root", "route", "status")
    nests = False  # an application within another answers a part of its request

    def __init__(self, method: str, given: Any, root: str, carrier: Carrier, incoming: Incoming) -> None:
        self.method = method
        self.given = given
        self.root = root  # the path that the whole application is served under
        self.route: str | None = None
        self.status: int | None = None
        self.error: BaseException | None = None
        self.is_over = False
        self.carrier = carrier
        self._incoming = incoming

    def tell(self, execution: Execution) -> None:
        """Writes into its execution what is known of it by now."""
        if self.given is None:
            return
        if self.route is None:
            self.route = self.carrier.template(self)
        if not execution.name and execution.within is None:
            named = [self.carrier.headers(self.given, name) for name in ("traceparent", "baggage")]
            self._incoming.join(execution, *named)
        method = self.method if self.method in _METHODS else _OTHER
        told = {"method": method} if self.route is None else {"method": method, "route": self.route}
        execution.name, execution.arguments = " ".join(told.values()), told
        if execution.ended is not None:
            self.given = self.error = None


class Requests:
    """Begins and ends the executions of requests. Who calls it guards."""

    def __init__(self, errands: Errands, incoming: Incoming) -> None:
        self._errands = errands
        self._executions = errands.executions
        self._incoming = incoming

    def begun(self, method: str, given: object, root: str, carrier: Carrier) -> Execution | None:
        """Gives the execution of a new request, in which nobody runs yet; `None` for a part of one."""
        return self._errands.take(Request(method, given, root, carrier, self._incoming))

    def end(self, execution: Execution) -> None:
        """Ends a request that was answered. Only the first time counts."""
        request = execution.errand
        if not isinstance(request, Request) or execution.ended is not None:
            return
        request.is_over = True
        status, error = request.status, request.error
        if error is not None:
            execution.error = (type(error).__name__, str(error)[:_ERROR_TEXT])
        elif status is not None and status >= FAILED:
            execution.error = (f"HTTP {status}", "")
        self._executions.end(execution, None if status is None else {"status": int(status)})

    def fail(self, execution: Execution, error: BaseException) -> None:
        """Ends a request that an exception came out of."""
        request = execution.errand
        if isinstance(request, Request) and execution.ended is None:
            request.is_over = True
            execution.result = None if request.status is None else {"status": int(request.status)}
            self._executions.fail(execution, error)


def current(*carriers: Carrier) -> Request | None:
    """Gives the request that the application's code answers, if it came in one of these ways."""
    request = errand_around(EXECUTING.get())
    return request if isinstance(request, Request) and request.carrier in carriers else None
