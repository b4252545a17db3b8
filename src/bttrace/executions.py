"""An execution that is observed: of a tool, or of a function that is a workflow or a task.

Owns what is kept of it from the application's thread to the writer, and which one the
application is in at this point of its code. One that is *latent* is told of only once something
begins in it: a request that a web application answers without a model, for instance, never is.
"""

from __future__ import annotations

from _thread import LockType
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import CodeType
from typing import Any, Literal, Protocol

from .evidence import Return
from .surroundings.correlation import Correlation

Kind = Literal["tool", "workflow", "task"]


class Errand(Protocol):
    """What somebody else wants done, as a web request or a task of a queue; an execution is the doing."""

    @property
    def nests(self) -> bool:
        """Tells whether another of its kind may run within it."""

    @property
    def is_over(self) -> bool:
        """Tells whether it is done, though its execution may not have ended."""

    def tell(self, execution: Execution) -> None:
        """Writes into its execution what is known of it by now."""


class Execution:
    """What is known of one execution; readings are of the recorder's clock.

    `arguments` are by parameter, `call_id` is the one that the model gave, if it is known. What
    was found by its name, not declared, counts only if a model asked for it; `asked_by` is then
    the call whose answer did, or a tuple of those whose may have. `within` is the execution
    around it, `parent` the application's own braintrust span. One that hands the conversation over
    does so to the `delegate` of that name. `correlation` is what was said around it. `details` are metadata
    of its end. `placed` is set by the writer, as soon as it is known where its span stands; where
    that is `awaited`, the writer releases the lock then. `current` is what was made the parent, for
    braintrust, of what the application traces inside. Of one that `is_dropped`, the beginning or the end
    never reached the writer.
    What was `promised` are the ids of its trace and its span, where they were told before it had a place.
    One that `is_hidden` runs where nothing is traced: nothing is told of it.
    One that runs an `errand` can be latent: it is `is_latent` until `found`, which whoever begins something
    in it calls with the parent of that, has told of it.
    """

    __slots__ = (
        "arguments",
        "asked_by",
        "awaited",
        "call_id",
        "caller",
        "correlation",
        "current",
        "delegate",
        "details",
        "ended",
        "errand",
        "error",
        "found",
        "is_dropped",
        "is_hidden",
        "is_latent",
        "kind",
        "name",
        "parent",
        "placed",
        "promised",
        "result",
        "returns",
        "started",
        "within",
    )

    def __init__(
        self,
        kind: Kind,
        name: str,
        arguments: Mapping[str, object],
        started: int,
        *,
        call_id: str | None = None,
        asked_by: object = None,
        delegate: str | None = None,
        returns: Return = "by id",
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.arguments = arguments
        self.call_id = call_id
        self.asked_by = asked_by
        self.delegate = delegate
        self.returns: Return = returns
        self.started = started
        self.ended: int | None = None
        self.result: object = None
        self.error: tuple[str, str] | None = None
        self.within: Execution | None = None
        self.parent: Any = None
        self.correlation: Correlation | None = None
        self.caller: tuple[CodeType, int] | None = None
        self.details: dict[str, object] = {}
        self.placed: Any = None
        self.promised: tuple[str, str] | None = None
        self.awaited: LockType | None = None
        self.current: Any = None
        self.is_dropped = False
        self.is_hidden = False
        self.is_latent = False
        self.errand: Errand | None = None
        self.found: Callable[[Execution, object], Execution | None] | None = None


EXECUTING: ContextVar[Execution | None] = ContextVar("bttrace_execution", default=None)
"""The execution that the application's code runs in."""


def around(parent: object) -> Execution | None:
    """Gives the execution in which something begins here that is worth telling of.

    `parent` is what that has of the application's own spans: in another one than the execution
    itself, it does not stand in the execution.
    """
    execution = EXECUTING.get()
    if execution is None or execution.found is None:
        return execution
    return execution.found(execution, parent)
