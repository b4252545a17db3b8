"""What a transcript says of an agent's loop: what a request brings, and what its answer asks for. PURE.

Words: a request *offers* tools; an answer *asks* for some of them; the next request *brings*
their results. Calls have ids, which tie the three together. Where an API has none, as for
the `function_call` of old, the id is made of the function's name (`unnumbered`).

The *round* of a request is the end of its history: what the model said last, and what came
after it. Whatever stands before was answered long ago.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Return = Literal["by id", "in words", "nowhere"]
"""How a tool's result goes back to the model: by its call's id, without it, or not, because the run ends."""

_WEIGHED = 6  # levels of nested content that are weighed


@dataclass(frozen=True, slots=True)
class Asking:
    """A tool call that an answer asks for. `arguments` are parsed if they can be, else as they came."""

    id: str
    name: str
    arguments: object = None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a tool call that a request brings; `is_error` as far as the application told."""

    id: str
    content: object = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """A tool that the provider ran by itself while it answered.

    Without a name it was asked for in an answer before, and this one brings its result. Until it
    `is_done`, it has none. `error` is what is known of how it `failed`: a code, or a kind
    and a message with a colon between.
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request says.

    `brought` are the results in its round, and `echoed` the calls there, by id, as far as the
    history repeats them. `prompt` is the newest message of the user, `prompts` all of
    them in words; `is_prompted` says that it
    came after what the model said last. `continues` is the id of the response it goes on from,
    `about` that of one that it asks for again, and `resumes` the ids of what a paused answer
    left unfinished. `said` is the user's last message that was answered, with the answer.
    One that `compacts` asks for nothing but a smaller context; one that `recalls` has, by its
    key, the summary that one made in the place of what was said before.
    """

    offers: bool = False
    brought: tuple[Result, ...] = ()
    echoed: Mapping[str, Asking] = field(default_factory=dict)
    prompt: object = None
    prompts: tuple[str, ...] = ()
    is_prompted: bool = False
    continues: str | None = None
    resumes: frozenset[str] = frozenset()
    about: str | None = None
    session: str | None = None
    said: tuple[str, str] | None = None
    compacts: bool = False
    recalls: str | None = None


@dataclass(frozen=True, slots=True)
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
    return f"function:{name}"


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


def weight(value: object, depth: int = _WEIGHED) -> int:
    """Gives about how many bytes a JSON value takes."""
    if isinstance(value, str):
        return 50 + len(value)
    if depth and isinstance(value, dict):
        return 200 + sum(50 + weight(item, depth - 1) for item in value.values())
    if depth and isinstance(value, (list, tuple)):
        return 50 + sum(weight(item, depth - 1) for item in value)
    return 50
