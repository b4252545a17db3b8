"""Web frameworks: where a request comes to an application of each.

Owns the rows. A framework is entered at the class of its applications, so that any server will do, and
applications that were built before are traced too. Loaded with the first SDK.

Source: starlette 0.38 to 1.10 (`applications.py`), flask 2.3 to 3.1 (`app.py`), django 4.2 to 5.2
(`core/handlers`).
"""

from __future__ import annotations

from ...classes import dataclass


@dataclass(frozen=True, slots=True)
class Entrance:
    """What of a framework is wrapped: `name` of the class `owner` in `module`, or of the module itself."""

    module: str
    owner: str
    name: str
    role: str

    def __str__(self) -> str:
        return ".".join(part for part in (self.module, self.owner, self.name) if part)


ENTRANCES = (
    Entrance("starlette.applications", "Starlette", "__call__", "starlette"),
    Entrance("flask.app", "Flask", "__call__", "flask"),
    Entrance("flask.app", "Flask", "full_dispatch_request", "flask answer"),
    Entrance("flask.app", "Flask", "handle_exception", "flask error"),
    Entrance("django.core.handlers.wsgi", "WSGIHandler", "__call__", "django"),
    Entrance("django.core.handlers.asgi", "ASGIHandler", "__call__", "django async"),
    Entrance("django.core.handlers.base", "BaseHandler", "resolve_request", "django route"),
    Entrance("django.core.handlers.exception", "", "handle_uncaught_exception", "django error"),
)
FRAMEWORKS = tuple(dict.fromkeys(entrance.module for entrance in ENTRANCES))
QUEUES = "celery.signals"
