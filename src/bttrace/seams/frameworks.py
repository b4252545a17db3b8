"""Web frameworks: what is put around the entrances of each, and where the template of a route stands.

What one mounts in another is a part of its request.

Source: starlette 0.40 to 1.10 (`applications.py`, `routing.py`), fastapi 0.115 to 0.165 (`routing.py`),
flask 3.1 (`app.py`), django 5.2 (`core/handlers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from ..guard import guarded, say_once
from ..patch import Ledger, Wrapper
from .asgi import Asgi
from .entrances import ENTRANCES
from .requests import Requests, current
from .wsgi import Wsgi

_DEPTH = 8  # routers in one another, that are looked through


class Frameworks:
    """The frameworks of one session."""

    def __init__(self, requests: Requests, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wrappers: Mapping[str, Wrapper] = {
            "starlette": Asgi(requests, _starlette_template).call,
            "asgi": Asgi(requests).call,
            "wsgi": Wsgi(requests).call,
            "flask route": _after(_flask_route),
            "flask error": _before(_flask_error),
            "django route": _after(_django_route),
            "django error": _before(_django_error),
        }

    def patch(self, module: ModuleType) -> None:
        """Patches what stands in a module that has been imported, and says what is not there."""
        for entrance in ENTRANCES:
            if entrance.module != module.__name__:
                continue
            owner = getattr(module, entrance.owner, None) if entrance.owner else module
            wrapper = self._wrappers[entrance.role]
            if not isinstance(owner, (type, ModuleType)) or not self._ledger.wrap(owner, entrance.name, wrapper):
                say_once(f"{entrance} is not there: requests are traced without it. The application is not affected.")


def _after(note: Callable[[Any, tuple[Any, ...]], object]) -> Wrapper:
    """Gives a wrapper that has `note(result, arguments)` look at what a function gave."""
    noted = guarded(note)

    def call(wrapped: Any, _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        noted(result, args)
        return result

    return call


def _before(note: Callable[[tuple[Any, ...]], object]) -> Wrapper:
    """Gives a wrapper that has `note(arguments)` look at what a function is given."""
    noted = guarded(note)

    def call(wrapped: Any, _instance: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        noted(args)
        return wrapped(*args, **kwargs)

    return call


# Flask: the rule is known once the context is pushed, before any of the application's functions runs.


def _flask_route(context: Any, _args: object) -> None:
    request = current()
    if request is not None and request.template is None:
        request.template = lambda: getattr(context.request.url_rule, "rule", None)


def _flask_error(args: tuple[Any, ...]) -> None:
    request = current()
    if request is not None and args and isinstance(args[0], BaseException):
        request.error = args[0]


# Django.


def _django_route(match: Any, _args: object) -> None:
    request = current()
    if request is not None and request.template is None:
        route = f"/{match.route}"
        request.template = lambda: route


def _django_error(args: tuple[Any, ...]) -> None:
    request = current()
    error = args[2][1] if len(args) > 2 else None  # noqa: PLR2004 - request, resolver and what `sys.exc_info` gives
    if request is not None and isinstance(error, BaseException):
        request.error = error


# Starlette and FastAPI: routers write into the scope which route they took.


def _starlette_template(scope: Any, root: str) -> str | None:
    """Gives the template of the route that was taken, with that of what it is mounted in.

    `root` is the path that the application as a whole is served under, which is no part of it.
    """
    route = scope.get("route") or _by_endpoint(scope)
    if route is None:
        return None
    included = (scope.get("fastapi") or {}).get("effective_route_context")  # a router's, with its prefix
    taken = included if getattr(included, "original_route", None) is route else route
    template = getattr(taken, "path_format", None) or getattr(route, "path", None)
    if not isinstance(template, str):
        return None
    prefix = scope.get("root_path", "").removeprefix(root)
    if prefix and not hasattr(route, "routes"):
        template = _mounted(prefix, template, scope.get("path_params") or {}) + template
    return template or "/"


def _mounted(prefix: str, template: str, parameters: Mapping[str, object]) -> str:
    """Gives the template of a path that applications are mounted under, as far as it can be told."""
    names = {str(value): name for name, value in parameters.items() if f"{{{name}}}" not in template}
    parts = [f"{{{names.pop(part)}}}" if part in names else part for part in prefix.split("/")]
    return "/*" if names else "/".join(parts)


def _by_endpoint(scope: Any) -> Any:
    """Gives the route that was taken where it is not told, as before starlette 1: that of its endentrance."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    return next(_with_endpoint(getattr(scope.get("router"), "routes", ()), endpoint, _DEPTH), None)


def _with_endpoint(routes: Any, endpoint: object, depth: int) -> Iterator[Any]:
    for route in routes:
        if getattr(route, "endpoint", None) is endpoint:
            yield route
        elif depth and hasattr(route, "routes"):
            yield from _with_endpoint(route.routes, endpoint, depth - 1)
