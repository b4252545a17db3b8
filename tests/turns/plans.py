"""What agents are going to do: plans, drawn at random. It must not know how they are carried out."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.turns.conversations import NUMBERED, WAYS, Way

NAMES = ("search", "book", "pay")
Seen = Literal["not", "by id", "by name", "found"]
"""How the executions of a tool are observed."""
Ids = Literal["unique", "numbered", "missing"]
_RARE = 1 / 4


@dataclass(frozen=True)
class CallPlan:
    """One tool call. One that is a `twin` asks for the very same as the one before it.

    One that is `dropped` has its result never brought, one that is `left` still runs when it is,
    one that `hangs` never ends. `agents` are at work within an observed tool.
    """

    name: str = "search"
    twin: bool = False
    raises: bool = False
    is_error: bool = False
    dropped: bool = False
    left: bool = False
    hangs: bool = False
    agents: tuple[AgentPlan, ...] = ()


@dataclass(frozen=True)
class TryPlan:
    """Another try of a request: it fails, is cancelled, or is answered otherwise."""

    outcome: Literal["failed", "cancelled", "asks", "says"]
    at_once: bool


@dataclass(frozen=True)
class IterationPlan:
    """One generation that asks for tools.

    `heard` gives how far it is heard before its end: not at all, or up to a call of that number,
    which is there in part. `eager` runs what was heard whole before the end; `overtaken` sends all
    results before it. `stray` brings a result that nobody asked for along with the others.
    """

    calls: tuple[CallPlan, ...]
    tries: tuple[TryPlan, ...] = ()
    heard: int | None = None
    eager: bool = False
    overtaken: bool = False
    stray: bool = False


@dataclass(frozen=True)
class TurnPlan:
    """What follows on one message of the user. A final request may offer no tools, and be tried again."""

    iterations: tuple[IterationPlan, ...]
    end: Literal["completed", "failed", "cancelled", "abandoned"] = "completed"
    offers_last: bool = True
    tries: tuple[TryPlan, ...] = ()
    bare_before: bool = False


@dataclass(frozen=True)
class AgentPlan:
    """One conversation."""

    way: Way
    ids: Ids
    seen: tuple[Seen, Seen, Seen]
    turns: tuple[TurnPlan, ...]
    loner: bool = False


def agent(random: Random, size: int, depth: int = 0) -> AgentPlan:
    """Gives a plan, of at most `size` turns, iterations and calls each; ids come again only where a history tells more."""
    way = random.choice(WAYS)
    ids: Ids = random.choice(("unique", "numbered", "missing"))
    if (ids == "numbered" and way not in NUMBERED) or (ids == "missing" and way != "chat"):
        ids = "unique"
    seen: list[Seen] = random.choices(("not", "by id", "by name", "found"), k=3)
    turns = tuple(_turn(random, size, depth) for _ in range(random.randint(1, size)))
    return AgentPlan(way, ids, (seen[0], seen[1], seen[2]), turns, loner=random.random() < _RARE)


def _turn(random: Random, size: int, depth: int) -> TurnPlan:
    return TurnPlan(
        tuple(_iteration(random, size, depth) for _ in range(random.randint(0, size))),
        random.choice(("completed", "completed", "completed", "failed", "cancelled", "abandoned")),
        random.random() < 1 / 2,
        _tries(random),
        random.random() < _RARE,
    )


def _iteration(random: Random, size: int, depth: int) -> IterationPlan:
    return IterationPlan(
        tuple(_call(random, size, depth) for _ in range(random.randint(1, size))),
        _tries(random),
        random.choice((None, 0, 1, 2, 3)),
        random.random() < 1 / 2,
        random.random() < _RARE,
        random.random() < _RARE,
    )


def _call(random: Random, size: int, depth: int) -> CallPlan:
    inner = depth == 0 and size > 1 and random.random() < _RARE
    return CallPlan(
        random.choice(NAMES),
        twin=random.random() < _RARE,
        raises=random.random() < _RARE,
        is_error=random.random() < _RARE,
        dropped=random.random() < _RARE,
        left=random.random() < _RARE,
        hangs=random.random() < _RARE / 2,
        agents=(agent(random, 2, depth + 1),) if inner else (),
    )


def _tries(random: Random) -> tuple[TryPlan, ...]:
    if random.random() > _RARE:
        return ()
    return (TryPlan(random.choice(("failed", "cancelled", "asks", "says")), random.random() < 1 / 2),)
