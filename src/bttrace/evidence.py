"""What a transcript says of an agent's loop: what a request brings, and what its answer asks for. PURE.

Words: a request *offers* tools; an answer *asks* for some of them; the next request *brings*
their results. Calls have ids, which tie the three together. Where an API has none, as for
the `function_call` of old, the id is made of the function's name (`unnumbered`).

The *round* of a request is the end of its history: what the model said last, and what came
after it. Whatever stands before was answered long ago.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, Protocol

from .classes import dataclass

Return = Literal["by id", "in words", "nowhere"]
"""How a tool's result goes back to the model: by its call's id, without it, or not, because the run ends."""

_UNNUMBERED = "function:"


@dataclass(frozen=True, slots=True, repr=False)
class Asking:
    """A tool call that an answer asks for. `arguments` are parsed if they can be, else as they came."""

    id: str
    name: str
    arguments: object = None


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The result of a tool call that a request brings; `is_error` as far as the application told.

    `echo` is the call that it answers, if the history repeats it.
    """

    id: str
    content: object = None
    is_error: bool = False
    echo: Asking | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Served:
    """A tool that the provider ran by itself while it answered.

    Without a name it was asked for in an answer before, and this one brings its result. Until it
    `is_done`, it has none. `error` is what is known of how it `failed`: a code, or a kind
    and a message with a colon between; the kind may be empty.
    """

    id: str
    name: str | None
    arguments: object = None
    result: object = None
    error: str | None = None
    failed: bool = False
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class Compaction:
    """What the provider did by itself to make the context smaller.

    `trigger` is what made it do so, `counts` are of tokens before and after, and of what was
    cleared, as far as they are known. `key` names it among the moments of a stream.
    """

    trigger: object
    counts: Mapping[str, object] = field(default_factory=dict)
    key: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """That what a chunk of an answer tells of, by its key, begins or has ended."""

    key: str
    begins: bool


Bounds = tuple[float | None, float | None]
"""When something within an answer began and ended, in seconds since the epoch, as far as it is known."""


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What one request says.

    `brought` are the results in its round, in their order. `prompt` is the newest message of
    the user, `prompts` all of them in words; `is_prompted` says that it came after what the
    model said last. `follows` are the words of the user's message that the round goes back to.
    `continues` is the id of the response it goes on from, `about` that of one that it asks for
    again, and `resumes` the ids of what a paused answer left unfinished. `said` is the user's
    last message that was answered, with the answer. `concerns` are the ids of all calls in its history.
    One that `compacts` asks for nothing but a smaller context; one that `recalls` has, by its
    key, the summary that one made in the place of what was said before.
    """

    offers: bool = False
    brought: tuple[Result, ...] = ()
    prompt: object = None
    prompts: tuple[str, ...] = ()
    is_prompted: bool = False
    follows: str | None = None
    continues: str | None = None
    resumes: frozenset[str] = frozenset()
    about: str | None = None
    session: str | None = None
    said: tuple[str, str] | None = None
    compacts: bool = False
    concerns: frozenset[str] = frozenset()
    recalls: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What one answer says, whole or as far as it has come.

    `identity` is the response's id. One that is `unfinished` is made in the background, or was
    paused, and goes on in another call, which names what it `leaves`. One that was `cancelled` ends there.
    `summaries` are the keys of those that it made of what was said before.
    """

    asks: tuple[Asking, ...] = ()
    identity: str | None = None
    text: str | None = None
    content: object = None
    unfinished: bool = False
    leaves: frozenset[str] = frozenset()
    cancelled: bool = False
    is_whole: bool = True
    summaries: tuple[str, ...] = ()
    served: tuple[Served, ...] = ()


class Round:
    """The end of a history as it is read, from its last item back: the results, and the calls they answer.

    An id may come again in a history, from hosts that number each answer's calls anew: a
    result answers the last call of its id before it. One without an id answers the only call it can.
    """

    def __init__(self) -> None:
        self._results: list[Result] = []
        self._waiting: dict[str, list[int]] = {}
        self.has_calls = False

    def bring(self, results: Sequence[Result]) -> None:
        """Takes results that stand together, in their order."""
        for result in reversed(results):
            self._waiting.setdefault(result.id, []).append(len(self._results))
            self._results.append(result)

    def ask(self, calls: Sequence[Asking]) -> None:
        """Takes the calls of one answer, in their order, of which the results came after."""
        self.has_calls = self.has_calls or bool(calls)
        last = {call.id: call for call in calls}
        unanswered = []
        for call in calls:
            own = self._waiting.get(call.id)
            if not own:
                unanswered.append(call)
                continue
            self._answer(own.pop(), call)
            while own and call is last[call.id]:  # it was answered more than once
                self._answer(own.pop(), call)
        nameless = self._waiting.get("", [])
        if len(nameless) == len(unanswered) == 1:
            self._answer(nameless.pop(), unanswered[0])

    def _answer(self, index: int, call: Asking) -> None:
        self._results[index] = replace(self._results[index], id=call.id, echo=call)

    @property
    def has_results(self) -> bool:
        """Tells whether there are results."""
        return bool(self._results)

    @property
    def brought(self) -> tuple[Result, ...]:
        """Gives the results, in their order, each with the call that it answers, if that is there."""
        return tuple(reversed(self._results))


class Conversation(Protocol):
    """Reads the requests and answers of one API as parts of a loop."""

    def asked(self, request: dict[str, object]) -> Asked:
        """Gives what a request says."""

    def answer(self, response: dict[str, object]) -> Answer:
        """Gives what an answer says."""

    def calls(self, answer: object) -> tuple[str, ...]:
        """Gives the names of the tools that an answer, or a chunk of one, asks for, as the SDK made it."""


def unnumbered(name: str) -> str:
    """Gives an id for the call of a function that came without one."""
    return f"{_UNNUMBERED}{name}"


def is_unnumbered(identity: str) -> bool:
    """Tells whether an id was made of a name."""
    return identity.startswith(_UNNUMBERED)


def arguments(given: object) -> object:
    """Gives a call's arguments parsed; those that are not JSON as the text that came."""
    if given is None:
        return {}
    if not isinstance(given, str):
        return given
    try:
        found: object = json.loads(given) if given else {}
    except (ValueError, RecursionError):
        return given
    return found


def alike(one: object, other: object) -> bool:
    """Tells whether two JSON values are equal; of two that are too deep to compare, that they are not."""
    try:
        return one == other
    except RecursionError:
        return False


def weight(value: object) -> int:
    """Gives about how many bytes a JSON value takes, in time that grows with its size, whatever its depth."""
    total = 0
    left = [value]
    while left:
        one = left.pop()
        total += 50
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, dict):
            total += 150 + 50 * len(one)
            left.extend(one.values())
        elif isinstance(one, (list, tuple)):
            left.extend(one)
    return total
