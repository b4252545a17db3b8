"""Watching functions by a stand-in, on Python 3.10 and 3.11, which have no `sys.monitoring`.

Owns the putting of a stand-in into the slots from which the application will fetch a function,
and the putting back. The function itself is never touched: it can be compared, pickled and
inspected as ever, and whoever held it before holds it still.

A registry goes before a name: the search stops there, so that a module's own name for the
function, by which pickle knows it, is replaced only when the application has no other way.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from ...executions import Execution
from ...guard import guarded
from ...patch import standin
from ...registries.row import Gate
from ..executions import Executions
from .askings import Awaited
from .candidates import Slot
from .statics import members

_EITHER_WAY = Gate("", "", "", lambda *_: None, is_async=None)
"""Nothing is read of what a function gives, but that it may be a coroutine."""


class StandIns:
    """Watches functions until their executions have run."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._put: dict[Awaited, list[tuple[Slot, object]]] = {}
        self._begun = guarded(self._begin)
        self._done = guarded(self._finish)
        self._is_meant = guarded(_is_meant)
        self._is_awaited = guarded(_is_coroutine_function)

    def watch(self, awaited: Awaited) -> None:
        """Puts stand-ins in the places of a function."""
        if awaited.known.code.co_flags & inspect.CO_GENERATOR:
            return  # it runs step by step, whenever its reader likes
        awaited.is_watched = True
        placed = []
        for slot in awaited.slots:
            ours = standin(slot.held, partial(self._called, awaited, isinstance(slot.holder, type)))
            if _exchanged(slot, slot.held, ours):
                placed.append((slot, ours))
        self._put[awaited] = placed

    def unwatch(self, awaited: Awaited) -> None:
        """Puts back what was there, unless somebody put something else there meanwhile."""
        awaited.is_watched = False
        for slot, ours in self._put.pop(awaited, ()):
            _exchanged(slot, ours, slot.held)

    def close(self) -> None:
        """Puts everything back."""
        for awaited in list(self._put):
            self.unwatch(awaited)

    renew = close

    def _called(
        self,
        awaited: Awaited,
        is_attribute: bool,  # noqa: FBT001 - given by `partial`, before what wrapt gives
        wrapped: Any,
        instance: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Calls the function in the place of which a stand-in was called."""
        if is_attribute and not self._is_meant(awaited, instance):
            return wrapped(*args, **kwargs)
        if self._is_awaited(wrapped):
            return self._acalled(awaited, wrapped, args, kwargs)
        execution = self._begun(awaited, args, kwargs)
        try:
            return self._executions.run(execution, wrapped, args, kwargs, _EITHER_WAY)
        finally:
            self._done(awaited)

    async def _acalled(
        self, awaited: Awaited, wrapped: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        execution = self._begun(awaited, args, kwargs)
        try:
            return await self._executions.arun(execution, wrapped, args, kwargs)
        finally:
            self._done(awaited)

    def _begin(self, awaited: Awaited, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Execution | None:
        if awaited not in self._put:
            return None  # fetched before, and called after it was put back
        given = awaited.known.given(args, kwargs)
        return self._executions.begin("tool", awaited.name, given, asked_by=awaited.askers())

    def _finish(self, awaited: Awaited) -> None:
        if awaited.is_over():
            self.unwatch(awaited)


def _is_meant(awaited: Awaited, instance: object) -> bool:
    """Tells whether a method is called on the object on which it is awaited."""
    return awaited.known.is_of(instance)


def _is_coroutine_function(held: Any) -> bool:
    """Tells whether a callable gives a coroutine itself: a decorator around it may not."""
    while type(held) in (MethodType, partial):
        held = held.__func__ if type(held) is MethodType else held.func
    return type(held) is FunctionType and bool(held.__code__.co_flags & inspect.CO_COROUTINE)


def _exchanged(slot: Slot, old: object, new: object) -> bool:
    """Puts a thing in the place of another, if that is there; tells whether it was."""
    holder, key = slot.holder, slot.key
    if type(holder) is list:
        if not 0 <= key < len(holder) or holder[key] is not old:
            return False
        holder[key] = new
    elif isinstance(holder, type):
        if members(holder).get(key) is not old:
            return False
        type.__setattr__(holder, key, new)
    else:
        if dict.get(holder, key) is not old:
            return False
        dict.__setitem__(holder, key, new)
    return True
