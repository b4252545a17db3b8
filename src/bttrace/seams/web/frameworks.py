"""Web frameworks: what is put around the entrances of each, and where the template of a route stands.

What one mounts in another is a part of its request.

Source: starlette 0.38 to 1.10 (`applications.py`, `routing.py`), fastapi 0.115 to 0.165 (`routing.py`),
flask 2.3 to 3.1 (`app.py`), django 4.2 to 5.2 (`core/handlers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ...guard import guarded, say_once
from ...patch import Ledger, Wrapper
from .asgi import Asgi
from .entrances import ENTRANCES
from .requests import Request, Requests, current
from .wsgi import Wsgi

_DEPTH = 8  # routers in one another, that are looked through


class Frameworks:
    """The frameworks of one session."""

    def __init__(self, requests: Requests, ledger: Ledger) -> None:
        self._ledger = ledger
        flask, django = _Flask(requests), _Django(requests)
        self._wrappers: Mapping[str, Wrapper] = {
            "starlette": _Starlette(requests).call,
            "flask": flask.call,
            "flask answer": _noted(after=flask.answered),
            "flask error": _noted(before=flask.failed_with, after=flask.answered),
            "django": django.wsgi.call,
            "django async": django.asgi.call,
            "django route": _noted(after=django.routed),
            "django error": _noted(before=django.failed_with),
        }

    def patch(self, module: ModuleType) -> None:
        """Patches what stands in a module that has been imported, and says what is not there."""
        for entrance in ENTRANCES:
            if entrance.module != module.__name__:
                continue
            owner = getattr(module, entrance.owner, None) if entrance.owner else module
            wrapper = self._wrappers[entrance.role]
            if isinstance(owner, (type, ModuleType)) and self._ledger.wrap(owner, entrance.name, wrapper):
                continue
            say_once(f"{entrance} is missing: requests are traced without. The application is not affected.")


def _noted(
    before: Callable[[Any], object] | None = None, after: Callable[[Any], object] | None = None
) -> Wrapper:
    """Gives a wrapper that has `before` look at what a function is given, or `after` at what it gave."""
    looked_before = None if before is None else guarded(before)
    looked_after = None if after is None else guarded(after)

    def call(wrapped: Any, _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if looked_before is not None:
            looked_before(args)
        result = wrapped(*args, **kwargs)
        if looked_after is not None:
            looked_after(result)
        return result

    return call


class _Flask(Wsgi):
    """Flask writes its own request into the environment, which knows its rule before any function runs."""

    def template(self, request: Request) -> str | None:
        """Gives the rule that the request fits."""
        rule = getattr(request.given.get("werkzeug.request"), "url_rule", None)
        return None if rule is None else rule.rule

    def answered(self, response: Any) -> None:
        """Takes the response that it makes of what a view gives, or of what one raises."""
        request = current(self)
        if request is not None:
            request.route = self.template(request)  # which Flask takes back before a stream is sent
            request.status = response.status_code
            request.is_over = response.is_sequence  # its body is whole

    def failed_with(self, args: tuple[Any, ...]) -> None:
        """Takes an exception that it makes a response of."""
        request = current(self)
        if request is not None and args and isinstance(args[0], BaseException):
            request.error = args[0]


class _Django:
    """Django's handlers, of either kind, find a route and make responses of exceptions in the same way."""

    def __init__(self, requests: Requests) -> None:
        self.wsgi = Wsgi(requests)
        self.asgi = Asgi(requests)

    def routed(self, match: Any) -> None:
        """Takes the match that was found for the path of a request."""
        request = current(self.wsgi, self.asgi)
        if request is not None:
            request.route = f"/{match.route}"

    def failed_with(self, args: tuple[Any, ...]) -> None:
        """Takes an exception that a response is made of: the last argument is what `sys.exc_info` gives."""
        request = current(self.wsgi, self.asgi)
        error = args[2][1] if len(args) > 2 else None  # noqa: PLR2004 - after request and resolver
        if request is not None and isinstance(error, BaseException):
            request.error = error


class _Starlette(Asgi):
    """The routers of Starlette and FastAPI write into the scope which route they took."""

    def template(self, request: Request) -> str | None:
        """Gives the template of the route that was taken, with that of what it is mounted in."""
        scope = request.given
        route = scope.get("route") or _by_endpoint(scope)
        if route is None:
            return None
        included = (scope.get("fastapi") or {}).get("effective_route_context")  # a router's, with its prefix
        taken = included if getattr(included, "original_route", None) is route else route
        template = getattr(taken, "path_format", None) or getattr(route, "path", None)
        if not isinstance(template, str):
            return None
        prefix = scope.get("root_path", "").removeprefix(request.root)
        if prefix and not hasattr(route, "routes"):
            template = _mounted(prefix, template, scope.get("path_params") or {}) + template
        return template or "/"


def _mounted(prefix: str, template: str, parameters: Mapping[str, object]) -> str:
    """Gives the template of a path that applications are mounted under, as far as it can be told."""
    names = {str(value): name for name, value in parameters.items() if f"{{{name}}}" not in template}
    parts = [f"{{{names.pop(part)}}}" if part in names else part for part in prefix.split("/")]
    return "/*" if names else "/".join(parts)


def _by_endpoint(scope: Any) -> Any:
    """Gives the route that was taken where it is not told, as before starlette 1: that of its endpoint."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    routes = list(_with_endpoint(getattr(scope.get("router"), "routes", ()), endpoint, _DEPTH))
    rest = scope["path"].removeprefix(scope.get("root_path", ""))
    fitting = (route for route in routes if hasattr(route, "path_regex") and route.path_regex.match(rest))
    return next(fitting, None)


def _with_endpoint(routes: Any, endpoint: object, depth: int) -> Iterator[Any]:
    for route in routes:
        if getattr(route, "endpoint", None) is endpoint:
            yield route
        elif depth and hasattr(route, "routes"):
            yield from _with_endpoint(route.routes, endpoint, depth - 1)
