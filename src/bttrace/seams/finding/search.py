"""Finding the function behind a tool's name, from the frames of who asked the model.

Owns where is looked and in which order: frame by frame outwards, in each first what is
*registered* under the name (in dicts and lists at hand), then what is *named* so, then the
same one step away: in the objects, modules and functions that the frame's code mentions.
Several different functions at one place are none: it is not guessed.

Code of libraries is no tool, unless it is registered under the name.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, Literal

from ...classes import dataclass
from ...patch import original
from ..callers import LIBRARIES, LOOP, STANDARD
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
    is_package,
    under,
)
from .statics import MISSING, bases, bound, definition, members, namespace, variables
from .targets import Target

_FRAMES = 8  # of the application, that are looked at
_ALL_FRAMES = 60
_MOST = 2000  # variables of a module
_MENTIONED = 64  # names
_GATES = (FunctionType, MethodType, ModuleType, type)
_KNOWN = 1000  # places that are remembered
_BUILTINS = vars(builtins)
_PREFIXES = ("tool_", "_", "do_", "handle_")


_Sort = Literal["application", "package", "between", "loop"]


@dataclass(frozen=True, slots=True)
class Found:
    """A function that a tool's name leads to, and the slots in which it was found."""

    target: Target
    slots: tuple[Slot, ...]


class Search:
    """Finds functions, and remembers where it found those of a name, so as to look there first."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[int, int]] = {}
        self._libraries = LIBRARIES
        self._sorts: dict[str, _Sort] = {}

    def skip(self, libraries: tuple[str, ...]) -> None:
        """Takes folders whose frames are not the application's."""
        self._libraries = tuple(dict.fromkeys((*self._libraries, *libraries)))
        self._sorts.clear()

    def frames(self, frame: FrameType | None) -> list[FrameType]:
        """Gives the frames of the application from one outwards, without those of packages that it uses."""
        found: list[FrameType] = []
        own = ""
        sorts = self._sorts
        for _ in range(_ALL_FRAMES):
            if frame is None or len(found) == _FRAMES:
                break
            file = frame.f_code.co_filename
            sort = sorts.get(file) or self._sort(file)
            if sort == "loop":
                break
            if sort == "application":
                found.append(frame)
            elif sort == "package":  # an application may be installed as one
                package = str(frame.f_globals.get("__name__")).partition(".")[0]
                own = own if found else package
                if package == own:
                    found.append(frame)
            frame = frame.f_back
        return found

    def _sort(self, file: str) -> _Sort:
        """Gives what a file is of."""
        sort: _Sort = "application"
        if file == LOOP:
            sort = "loop"
        elif file.startswith((*self._libraries, STANDARD, "<frozen")):
            sort = "between" if not is_package(file) or file.startswith(self._libraries) else "package"
        elif is_package(file):
            sort = "package"
        if len(self._sorts) >= _KNOWN:
            self._sorts.clear()
        self._sorts[file] = sort
        return sort

    def found(self, frames: list[FrameType], name: str) -> Found | None:
        """Gives the function of a tool of that name; `None` when there is none, or a choice."""
        key = (id(frames[0].f_code), name)
        known = self._known.get(key)
        if known is not None and known[0] < len(frames):
            candidates = _PLACES[known[1]](_Scene(frames[known[0]]), name)
            if candidates:
                return _only(candidates)
        for depth, frame in enumerate(frames):
            scene = _Scene(frame)
            for number, place in enumerate(_PLACES):
                candidates = place(scene, name)
                if candidates:
                    if len(self._known) >= _KNOWN:
                        self._known.clear()
                    self._known[key] = (depth, number)
                    return _only(candidates)
        return None


def _only(candidates: list[Candidate]) -> Found | None:
    first = candidates[0][0]
    if any(not first.is_as(one) for one, _ in candidates[1:]):
        return None
    return Found(first, tuple(slot for _, slot in candidates if slot is not None))


class _Scene:
    """A frame as it is looked at: its variables, those of its module, and its `self` or `cls`."""

    def __init__(self, frame: FrameType) -> None:
        code = frame.f_code
        self.values = variables(frame)
        self.held = frame.f_globals
        self.own = self.values.get(code.co_varnames[0], MISSING) if code.co_argcount else MISSING
        self.mentioned = _mentions(code)
        self.scopes: list[Mapping[str, object]] = [self.values, self.held]
        kind = self.own if type(self.own) is type else type(self.own) if is_instance(self.own) else None
        if kind is not None:
            scope = namespace(self.own) if kind is not self.own else None
            self.scopes += [] if scope is None else [scope]
            self.scopes += [members(base) for base in bases(kind)[:-1]]

    def near(self) -> Iterator[object]:
        """Yields the objects, modules, classes and functions that the frame's code mentions."""
        seen: set[int] = set()
        for name in self.mentioned[:_MENTIONED]:
            value = self.values[name] if name in self.values else self.held.get(name, MISSING)
            if id(value) not in seen and (type(value) in _GATES or is_instance(value)):
                seen.add(id(value))
                yield value


# Where is looked, the nearest first.


def _registered_and_mentioned(scene: _Scene, name: str) -> list[Candidate]:
    return [
        one
        for scope in scene.scopes
        for one in _registered([scope[key] for key in scene.mentioned if key in scope], name)
    ]


def _registered_beside(scene: _Scene, name: str) -> list[Candidate]:
    return [one for scope in scene.scopes for one in _registered(scope.values(), name)]


def _named_here(scene: _Scene, name: str) -> list[Candidate]:
    named = [*_named(scene.values, name, None), *_named(scene.held, name, scene.held)]
    return _tools([*named, *_method(scene.own, name)])


def _registered_near(scene: _Scene, name: str) -> list[Candidate]:
    return [one for thing in scene.near() for one in _registered_in(thing, scene.held, name)]


def _named_near(scene: _Scene, name: str) -> list[Candidate]:
    return _tools([one for thing in scene.near() for one in _named_in(thing, scene.held, name)])


def _prefixed(scene: _Scene, name: str) -> list[Candidate]:
    return _tools([one for prefix in _PREFIXES for one in _method(scene.own, prefix + name)])


_PLACES = (
    _registered_and_mentioned,
    _registered_beside,
    _named_here,
    _registered_near,
    _named_near,
    _prefixed,
)


# At hand.


def _registered(values: Iterable[Any], name: str) -> Iterator[Candidate]:
    """Yields what dicts and lists among some values hold under a name."""
    for value in list(values)[:_MOST]:
        kind = type(value)
        if kind in DICTS and value is not _BUILTINS:
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
        yield from _registered(scope.values(), name)
    kind = thing if type(thing) is type else type(thing) if is_instance(thing) else None
    for base in () if kind is None else bases(kind)[:-1]:
        yield from _registered(members(base).values(), name)


def _named_in(thing: object, held: Mapping[str, object], name: str) -> Iterator[Candidate]:
    if type(thing) is type or is_instance(thing):
        yield from _method(thing, name)
    else:
        for scope in _scopes(thing, held):
            yield from _named(scope, name, scope)


def _tools(candidates: list[Candidate]) -> list[Candidate]:
    return [one for one in candidates if not is_library(one[0].function.__code__.co_filename)]
