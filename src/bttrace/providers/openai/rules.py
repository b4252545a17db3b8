"""Rules that several rows have in common. PURE."""

from __future__ import annotations

from collections.abc import Callable

from ...model import Json
from ...values import text


def given(*names: str) -> Callable[[Json], object]:
    """Gives the rule that picks these fields, as far as they are there."""

    def fields(request: Json) -> object:
        return {name: request[name] for name in names if request.get(name) is not None} or None

    return fields


def settled_when(*statuses: str) -> Callable[[Json], str | None]:
    """Gives the rule by which work has ended, and its id is told, once it has one of these statuses."""
    ended = frozenset(statuses)

    def identity(response: Json) -> str | None:
        return text(response.get("id")) if text(response.get("status")) in ended else None

    return identity
