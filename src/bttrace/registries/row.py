"""How a registry of tools is described, and how what its functions are given is read. PURE.

Words: a *gate* is a function of a registry's package through which its tools run, one call for
each execution. A *registry* has one gate for its synchronous tools and one for its asynchronous
ones, where it can be; where gates stand in one another, an execution that passes several is
seen at the first, so the first should know the most of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from ..classes import dataclass
from ..evidence import Return

Args = tuple[object, ...]
Kwargs = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One execution of a tool, as its gate was asked for it.

    `arguments` are by name; `call_id` is the id that the model gave its call, where the gate is told.
    One that hands the conversation over to another agent does so to the `delegate` of that name.
    `returns` says how the result goes back to the model.
    """

    name: str
    arguments: Mapping[str, object]
    call_id: str | None = None
    delegate: str | None = None
    returns: Return = "by id"


@dataclass(frozen=True, slots=True)
class Returned:
    """What a tool gave, as its gate tells it; `error` is the text of a failure that is not raised."""

    result: object
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One function through which tools run.

    It is `name` of the class `owner` in `module`, or of the module itself where `owner` is empty.
    `asked(instance, args, kwargs)` reads a call of it, `None` when it runs no tool; `instance` is
    what a method is bound to, or, of a function that is not told enough, what its caller
    has in the variable `local`. `returned` reads what it gave; without it, that is the tool's
    result. `raised` finds, in an exception, the one that the tool raised. Whether it gives an
    awaitable is `is_async`, `None` where that is as its tools are. One that is `optional` is not
    missed in a version that has it not. One of the `older` names stands in older versions. What runs
    through a gate for a `task` is no tool but an agent.
    """

    module: str
    owner: str
    name: str
    asked: Callable[[object, Args, Kwargs], Invocation | None]
    is_async: bool | None = False
    returned: Callable[[object], Returned] | None = None
    raised: Callable[[BaseException], BaseException] | None = None
    local: str = ""
    optional: bool = False
    older: tuple[str, ...] = ()
    kind: Literal["tool", "task"] = "tool"

    def __str__(self) -> str:
        return ".".join(part for part in (self.module, self.owner, self.name) if part)


@dataclass(frozen=True, slots=True)
class Failure:
    """A function of a module that is told of what a tool raised, because its gate will not raise it.

    `error(args, kwargs)` reads that; the execution in which the function is called is the tool's.
    """

    module: str
    name: str
    error: Callable[[Args, Kwargs], object]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A function of a module that gives a decorator: what it decorates runs in a thread, in no context."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True)
class Registry:
    """One row: the gates of a package, as it is imported, that is installed as a `distribution`.

    Code of the packages `between` it and the application only hands calls on.
    """

    package: str
    distribution: str
    gates: tuple[Gate, ...]
    failures: tuple[Failure, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    between: tuple[str, ...] = ()


def argument(args: Args, kwargs: Kwargs, position: int, name: str) -> object:
    """Gives an argument that is passed by position or by name; `None` when it is not passed."""
    return args[position] if len(args) > position else kwargs.get(name)


def attribute(holder: object, name: str) -> str | None:
    """Gives a text that an object or a mapping has under a name."""
    value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
    return value if isinstance(value, str) else None


def by_name(arguments: object) -> Mapping[str, object]:
    """Gives a tool's arguments, if they are by name; any other ones as its `input`."""
    if isinstance(arguments, dict):
        return arguments
    return {} if arguments is None else {"input": arguments}


def words(content: object) -> str:
    """Gives the text of a result that tells of a failure: of itself, or of the blocks in it."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(text for part in parts if (text := attribute(part, "text")) is not None) or "error"
