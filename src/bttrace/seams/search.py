"""Finding the function behind a tool's name, from the frames of who asked the model.

Owns where is looked and in which order: frame by frame outwards, in each first what is
*registered* under the name (in dicts and lists at hand), then what is *named* so, then the
same one step away: in the objects, modules and functions that the frame's code mentions.
Several different functions at one place are none: it is not guessed.

Code of libraries is no tool, unless it is registered under the name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from ..patch import original
from .callers import LOOP, STANDARD
from .candidates import (
    DICTS,
    LISTED,
    LISTS,
    Candidate,
    Slot,
    attribute,
    functions,
    is_instance,
    is_library,
    is_named,
    is_ours,
    under,
)
from .statics import MISSING, bases, bound, definition, members, namespace, variables
from .targets import Target

_FRAMES = 8  # of the application, that are looked at
_ALL_FRAMES = 60
_MOST = 2000  # variables of a module
_MENTIONED = 64  # names
_GATES = (FunctionType, MethodType, ModuleType, type)
_PREFIXES = ("tool_", "_", "do_", "handle_")


@dataclass(frozen=True, slots=True)
class Found:
    """A function that a tool's name leads to, and the slots in which it was found."""

    target: Target
    slots: tuple[Slot, ...]


def application_frames(libraries: tuple[str, ...], frame: FrameType | None) -> list[FrameType]:
    """Gives the frames of the application from one outwards; those of packages that it only uses are none."""
    found: list[FrameType] = []
    own = ""
    for _ in range(_ALL_FRAMES):
        if frame is None or len(found) == _FRAMES:
            break
        file = frame.f_code.co_filename
        if file == LOOP:
            break
        if not file.startswith(libraries) and not is_library(file):
            found.append(frame)
        elif not file.startswith((*libraries, STANDARD)):  # an application that is installed as a package
            package = str(frame.f_globals.get("__name__")).partition(".")[0]
            if not found:
                own = package
            if package == own:
                found.append(frame)
        frame = frame.f_back
    return found


def found(frames: Iterable[FrameType], name: str) -> Found | None:
    """Gives the function of a tool of that name; `None` when there is none, or a choice."""
    for frame in frames:
        for candidates in _places(frame, name):
            listed = [(one, slot) for one, slot in candidates if not is_ours(one)]
            if listed:
                first = listed[0][0]
                if any(not first.is_as(one) for one, _ in listed):
                    return None
                return Found(first, tuple(slot for _, slot in listed if slot is not None))
    return None


def _places(frame: FrameType, name: str) -> Iterator[list[Candidate]]:
    """Yields what may be meant by a name, the nearest first."""
    values, held = variables(frame), frame.f_globals
    code = frame.f_code
    scopes: list[Mapping[str, object]] = [values, held]
    own = values.get(code.co_varnames[0], MISSING) if code.co_argcount else MISSING
    if is_instance(own):
        scopes += [scope for scope in (namespace(own),) if scope is not None]
        scopes += [members(base) for base in bases(type(own))[:-1]]
    elif type(own) is type:  # a class method's class
        scopes += [members(base) for base in bases(own)[:-1]]
    mentioned = _mentions(code)
    yield [
        one
        for scope in scopes
        for one in _registered({key: scope[key] for key in mentioned if key in scope}, name)
    ]
    yield [one for scope in scopes for one in _registered(scope, name)]
    named = [*_named(values, name, None), *_named(held, name, held)]
    yield _not_libraries([*named, *_method(own, name)])
    near = list(_near(mentioned, values, held))
    yield [one for thing in near for one in _registered_in(thing, held, name)]
    yield _not_libraries([one for thing in near for one in _named_in(thing, held, name)])
    yield _not_libraries([one for prefix in _PREFIXES for one in _method(own, prefix + name)])


# At hand.


def _registered(scope: Mapping[str, Any], name: str) -> Iterator[Candidate]:
    """Yields what dicts and lists in a scope hold under a name."""
    for value in list(scope.values())[:_MOST]:
        kind = type(value)
        if kind in DICTS:
            entry = under(value, name)
            if entry is not MISSING:
                yield from functions(entry, Slot(value, name, entry))
        elif kind in LISTS and 0 < len(value) <= LISTED:
            for index, item in enumerate(list(value)):
                if is_named(item, name):
                    yield from functions(item, Slot(value, index, item) if kind is list else None)


def _named(scope: Mapping[str, object], name: str, holder: object) -> Iterator[Candidate]:
    """Yields what a scope holds by a name; `holder` is the dict behind it, if it can be written to."""
    value = scope.get(name, MISSING)
    if value is not MISSING and type(value) is not type:
        yield from functions(value, None if holder is None else Slot(holder, name, value))


def _method(value: object, name: str) -> Iterator[Candidate]:
    """Yields an instance's or a class's method."""
    if type(value) is type:
        owner, held = definition(value, name)
        defined = original(held)
        yield from functions(bound(defined, MISSING, value), Slot(owner, name, defined))
    elif is_instance(value):
        yield from functions(*attribute(value, name))


# One step away.


@lru_cache(maxsize=1000)
def _mentions(code: CodeType) -> tuple[str, ...]:
    """Gives the names that a code uses, with the functions and comprehensions inside it."""
    within = [name for inner in code.co_consts if isinstance(inner, CodeType) for name in _mentions(inner)]
    names = (*code.co_varnames, *code.co_cellvars, *code.co_freevars, *code.co_names, *within)
    return tuple(dict.fromkeys(names))


forget = _mentions.cache_clear


def _near(
    names: tuple[str, ...], values: Mapping[str, object], held: Mapping[str, object]
) -> Iterator[object]:
    """Yields the objects, modules, classes and functions that have one of these names in a frame."""
    found = [
        values[name] if name in values else held[name] for name in names if name in values or name in held
    ]
    seen: set[int] = set()
    for value in found[:_MENTIONED]:
        if id(value) not in seen and (type(value) in _GATES or is_instance(value)):
            seen.add(id(value))
            yield value


def _scopes(thing: object, held: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yields the dicts that are one step away through a thing."""
    own: object = thing.__func__ if type(thing) is MethodType and isinstance(thing, MethodType) else thing
    kind = type(own)
    if kind is FunctionType and isinstance(own, FunctionType):
        if own.__globals__ is not held and not is_library(own.__code__.co_filename):
            yield own.__globals__
    elif kind is ModuleType and isinstance(own, ModuleType):
        if not is_library(str(own.__dict__.get("__file__") or STANDARD)):
            yield own.__dict__
    elif kind is not type:
        scope = namespace(own)
        if scope is not None:
            yield scope
        home = sys.modules.get(str(members(kind).get("__module__")))
        if type(home) is ModuleType and home.__dict__ is not held:
            yield from _scopes(home, held)


def _registered_in(thing: object, held: Mapping[str, object], name: str) -> Iterator[Candidate]:
    for scope in _scopes(thing, held):
        yield from _registered(scope, name)
    kind = thing if type(thing) is type else type(thing) if is_instance(thing) else None
    for base in () if kind is None else bases(kind)[:-1]:
        yield from _registered(members(base), name)


def _named_in(thing: object, held: Mapping[str, object], name: str) -> Iterator[Candidate]:
    if type(thing) is type or is_instance(thing):
        yield from _method(thing, name)
    else:
        for scope in _scopes(thing, held):
            yield from _named(scope, name, scope)


def _not_libraries(candidates: list[Candidate]) -> list[Candidate]:
    return [one for one in candidates if not is_library(one[0].function.__code__.co_filename)]
